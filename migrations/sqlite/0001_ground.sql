-- The ground: everything that creditd keeps, on SQLite.
--
-- Suffixes: `_us` is an instant in microseconds since 1970 (UTC), `_uc` an amount in microcredits.
-- "Credit clock" and "wall" are the two hands of the clock. Ids are text. A kind of credit is
-- `message` or `integration`; columns that exist once for each kind begin with its name.
--
-- There is no `bucket` column: SQLite is one file on one machine and has nothing to distribute.

-- A team, the unit that is decided and counted as one.
CREATE TABLE workspace (
    id            TEXT    NOT NULL PRIMARY KEY, -- the host's id
    owner         TEXT,                         -- the account that owns it
    decided_at_us INTEGER NOT NULL,             -- the latest instant at which anything was decided
    version       INTEGER NOT NULL CHECK (version > 0), -- grows with every commit
    next_seq      INTEGER NOT NULL CHECK (next_seq > 0) -- the number of the next ledger line
) STRICT, WITHOUT ROWID;

-- A person in one workspace. It is also the directory of accounts: an account that was claimed
-- for a workspace and not created yet has no `created_at_us`.
CREATE TABLE account (
    id            TEXT    NOT NULL PRIMARY KEY, -- the host's id
    workspace     TEXT    NOT NULL,             -- its workspace, for good
    email         TEXT,                         -- where mail goes
    name          TEXT,                         -- how mail addresses the person
    locale        TEXT,                         -- the language of mail
    created_at_us INTEGER,                      -- when it was created; null: only claimed
    closed_at_us  INTEGER,                      -- when it was closed, for good
    message_window_start_us     INTEGER,          -- start of the open free window
    message_window_end_us       INTEGER,          -- its end
    message_day_limit_uc        INTEGER,          -- a day's limit that the window was granted with
    message_month_limit_uc      INTEGER,          -- a month's limit that it was granted with
    message_balance_uc          INTEGER NOT NULL DEFAULT 0 CHECK (message_balance_uc >= 0), -- what the pot holds
    message_used_uc             INTEGER NOT NULL DEFAULT 0 CHECK (message_used_uc >= 0), -- drawn in the window
    message_day_started_at_us   INTEGER,          -- the day in which the shorter limit last counted
    message_day_used_uc         INTEGER NOT NULL DEFAULT 0 CHECK (message_day_used_uc >= 0), -- drawn in that day
    message_armed               INTEGER NOT NULL DEFAULT 1 CHECK (message_armed IN (0, 1)), -- the next run-out is told
    message_warned              INTEGER NOT NULL DEFAULT 0 CHECK (message_warned IN (0, 1)), -- the early warning was given
    message_refusal             TEXT,             -- the first refusal since it was armed, JSON
    integration_window_start_us   INTEGER,        -- the same for integration credits
    integration_window_end_us     INTEGER,        -- "
    integration_day_limit_uc      INTEGER,        -- "
    integration_month_limit_uc    INTEGER,        -- "
    integration_balance_uc        INTEGER NOT NULL DEFAULT 0 CHECK (integration_balance_uc >= 0), -- "
    integration_used_uc           INTEGER NOT NULL DEFAULT 0 CHECK (integration_used_uc >= 0), -- "
    integration_day_started_at_us INTEGER,        -- "
    integration_day_used_uc       INTEGER NOT NULL DEFAULT 0 CHECK (integration_day_used_uc >= 0), -- "
    integration_armed             INTEGER NOT NULL DEFAULT 1 CHECK (integration_armed IN (0, 1)), -- "
    integration_warned            INTEGER NOT NULL DEFAULT 0 CHECK (integration_warned IN (0, 1)), -- "
    integration_refusal           TEXT            -- "
) STRICT;
CREATE INDEX account_workspace ON account (workspace, id);

-- Something built by the host's users, and the directory of apps: one that was claimed for a
-- workspace and not created yet has no owner.
CREATE TABLE app (
    id        TEXT NOT NULL PRIMARY KEY, -- the host's id
    workspace TEXT NOT NULL,             -- its workspace, for good
    owner     TEXT REFERENCES account (id) -- who pays for its integration actions
) STRICT, WITHOUT ROWID;
CREATE INDEX app_owner ON app (owner);

-- Which workspace a Stripe customer pays for.
CREATE TABLE customer (
    id        TEXT NOT NULL PRIMARY KEY, -- Stripe's id
    workspace TEXT NOT NULL              -- the workspace of new subscriptions
) STRICT, WITHOUT ROWID;

-- Our normalised copy of a Stripe subscription.
CREATE TABLE subscription (
    id                TEXT    NOT NULL PRIMARY KEY, -- Stripe's id
    workspace         TEXT    NOT NULL REFERENCES workspace (id), -- the workspace that it is for
    customer          TEXT    NOT NULL,             -- Stripe's customer
    buyer             TEXT,                         -- the account that bought it
    status            TEXT    NOT NULL CHECK (status IN ('active', 'trialing', 'past_due', 'unpaid',
                          'paused', 'incomplete', 'incomplete_expired', 'canceled')), -- Stripe's word
    items             TEXT    NOT NULL,             -- what it buys, a JSON array
    start_us          INTEGER NOT NULL,             -- when it began
    anchor_us         INTEGER NOT NULL,             -- the instant that boundaries are counted from
    anchor_day        INTEGER NOT NULL CHECK (anchor_day BETWEEN 1 AND 31), -- their day of the month
    past_due_since_us INTEGER,                      -- since when payment has failed
    cancel_at_us      INTEGER,                      -- when it was asked to end
    places_made       INTEGER NOT NULL CHECK (places_made >= 0), -- seats made so far
    begun             INTEGER NOT NULL CHECK (begun IN (0, 1)), -- it has counted at least once
    trial             TEXT    NOT NULL CHECK (trial IN ('none', 'running', 'over')), -- its first trial
    anchor_full_at_us INTEGER,                      -- the last full grant under a changed anchor
    anchor_move       TEXT,                         -- a change of anchor still to be accounted for, JSON
    announced         TEXT,                         -- from when, and which items, a schedule brings, JSON
    told_created_us   INTEGER NOT NULL,             -- `created` of the event that it was last told from
    told_rank         INTEGER NOT NULL,             -- that event's rank among those of one second
    ended_at_us       INTEGER                       -- when it ended
) STRICT;
CREATE INDEX subscription_workspace ON subscription (workspace);

-- One paid place of a subscription, with its allowances.
CREATE TABLE seat (
    id               TEXT    NOT NULL PRIMARY KEY, -- its id
    workspace        TEXT    NOT NULL,             -- its workspace
    subscription     TEXT    NOT NULL REFERENCES subscription (id), -- what pays for it
    place            INTEGER NOT NULL CHECK (place > 0), -- its number in the subscription
    plan             TEXT    NOT NULL,             -- the plan in force
    next_plan        TEXT,                         -- the plan that the next boundary brings
    announced_at_us  INTEGER,                      -- from when on a schedule announced a plan for it
    announced_plan   TEXT,                         -- that plan; the boundary there brings it where it is lower
    holder           TEXT REFERENCES account (id), -- who sits in it
    assigned_at_us   INTEGER,                      -- since when
    status           TEXT    NOT NULL CHECK (status IN ('active', 'suspended', 'ended')), -- where it stands
    start_us         INTEGER NOT NULL,             -- when its subscription began
    anchor_us        INTEGER NOT NULL,             -- the instant that boundaries are counted from
    anchor_day       INTEGER NOT NULL CHECK (anchor_day BETWEEN 1 AND 31), -- their day of the month
    cycle_start_us   INTEGER,                      -- start of the running cycle
    cycle_end_us     INTEGER,                      -- its end
    carries_used     INTEGER NOT NULL CHECK (carries_used IN (0, 1)), -- the next boundary grants only what was not used
    begins_at_us     INTEGER,                      -- when it begins to count
    grace_ends_at_us INTEGER,                      -- when it stops counting unless paid
    cancels_at_us    INTEGER,                      -- the cancel instant
    ends_at_us       INTEGER,                      -- the boundary at which it ends because the quantity fell
    due_at_us        INTEGER,                      -- the next instant at which something falls due on it
    message_day_limit_uc          INTEGER,         -- a day's limit that the cycle was granted with
    message_month_limit_uc        INTEGER,         -- a month's limit that it was granted with
    message_balance_uc            INTEGER NOT NULL CHECK (message_balance_uc >= 0), -- what the pot holds
    message_used_uc               INTEGER NOT NULL CHECK (message_used_uc >= 0), -- drawn in the cycle
    message_day_started_at_us     INTEGER,         -- the day in which the shorter limit last counted
    message_day_used_uc           INTEGER NOT NULL CHECK (message_day_used_uc >= 0), -- drawn in that day
    integration_day_limit_uc      INTEGER,         -- the same for integration credits
    integration_month_limit_uc    INTEGER,         -- "
    integration_balance_uc        INTEGER NOT NULL CHECK (integration_balance_uc >= 0), -- "
    integration_used_uc           INTEGER NOT NULL CHECK (integration_used_uc >= 0), -- "
    integration_day_started_at_us INTEGER,         -- "
    integration_day_used_uc       INTEGER NOT NULL CHECK (integration_day_used_uc >= 0), -- "
    CHECK (status <> 'ended' OR holder IS NULL)
) STRICT;
-- One live seat a person, whatever happens.
CREATE UNIQUE INDEX seat_holder ON seat (holder) WHERE holder IS NOT NULL;
CREATE INDEX seat_workspace ON seat (workspace, id);
CREATE INDEX seat_subscription ON seat (subscription);
-- Which plans are held at all, found by steps from one to the next.
CREATE INDEX seat_plan ON seat (plan) WHERE status <> 'ended';
CREATE INDEX seat_next_plan ON seat (next_plan) WHERE next_plan IS NOT NULL;
CREATE INDEX seat_due ON seat (due_at_us) WHERE due_at_us IS NOT NULL;

-- Credits outside a plan.
CREATE TABLE credit_grant (
    id            TEXT    NOT NULL PRIMARY KEY, -- its id
    workspace     TEXT    NOT NULL,             -- its account's workspace
    account       TEXT    NOT NULL REFERENCES account (id), -- whose it is
    kind          TEXT    NOT NULL CHECK (kind IN ('message', 'integration')), -- the kind of credit
    amount_uc     INTEGER NOT NULL,             -- what was granted
    balance_uc    INTEGER NOT NULL CHECK (balance_uc >= 0), -- what is left
    source        TEXT    NOT NULL,             -- where it came from
    reason        TEXT    NOT NULL,             -- why, in words
    created_at_us INTEGER NOT NULL,             -- when it was made
    expires_at_us INTEGER,                      -- when it ends
    ended         INTEGER NOT NULL CHECK (ended IN (0, 1)) -- expired, revoked, or its account closed
) STRICT;
CREATE INDEX grant_live ON credit_grant (account) WHERE ended = 0;
CREATE INDEX grant_account ON credit_grant (account, created_at_us, id);
CREATE INDEX grant_due ON credit_grant (expires_at_us) WHERE ended = 0 AND expires_at_us IS NOT NULL;

-- A claim of a share reward.
CREATE TABLE reward (
    id            TEXT    NOT NULL PRIMARY KEY, -- its id
    workspace     TEXT    NOT NULL,             -- its account's workspace
    account       TEXT    NOT NULL REFERENCES account (id), -- who claims
    network       TEXT    NOT NULL,             -- where the post is
    post_url      TEXT    NOT NULL,             -- the post's address in its one normal form
    followers     INTEGER NOT NULL CHECK (followers >= 0), -- followers, as claimed
    app           TEXT,                         -- the app that was shared
    status        TEXT    NOT NULL CHECK (status IN ('claimed', 'approved', 'rejected')), -- what became of it
    claimed_at_us INTEGER NOT NULL,             -- when it was claimed
    decided_at_us INTEGER,                      -- when it was decided
    reason        TEXT,                         -- why it was decided so
    grant_id      TEXT                          -- the grant that it became
) STRICT;
CREATE INDEX reward_account ON reward (account);
CREATE INDEX reward_status ON reward (status, id);

-- The ledger: append-only, in the order of commits, so that new lines share pages. One index is
-- all that it has, since each costs a page of its own for almost every debit.
CREATE TABLE entry (
    workspace           TEXT    NOT NULL, -- whose ledger
    seq                 INTEGER NOT NULL, -- its number there
    pot                 TEXT,             -- the pot that changed: seat/ID, free/ACCOUNT, grant/ID; null: free action
    account             TEXT,             -- whose it was then; null: a vacant seat's
    use_id              TEXT,             -- the debit that it belongs to
    kind                TEXT    NOT NULL, -- the kind of credit
    amount_uc           INTEGER NOT NULL, -- what was added, or taken where negative
    pot_after_uc        INTEGER,          -- what the pot held afterwards
    reason              TEXT    NOT NULL, -- why
    cycle_started_at_us INTEGER,          -- start of the cycle or window that it concerns
    effective_at_us     INTEGER NOT NULL, -- the instant from which it counts
    posted_at_us        INTEGER NOT NULL, -- when it was posted
    actor               TEXT,             -- who acted
    app                 TEXT,             -- the app
    action              TEXT,             -- the action
    price_uc            INTEGER,          -- what one such action costs
    cause               TEXT,             -- what brought it about
    cause_at_us         INTEGER           -- when the cause happened, where that was earlier
) STRICT;
CREATE INDEX entry_account ON entry (workspace, account, seq);

-- Which accounts have lines on a seat's pots, so that the seat's ledger is found through theirs.
CREATE TABLE seat_account (
    seat    TEXT NOT NULL, -- the seat
    account TEXT NOT NULL, -- an account that held it
    PRIMARY KEY (seat, account)
) STRICT, WITHOUT ROWID;

-- Answers kept under idempotency keys, in the order of commits. The key leads the index: keys
-- that a caller makes in order are then neighbours.
CREATE TABLE answer (
    workspace   TEXT    NOT NULL, -- the key's space; '' for requests without a workspace
    key         TEXT    NOT NULL, -- the key as given
    fingerprint BLOB    NOT NULL, -- SHA-256 of method, path and body
    status      INTEGER NOT NULL, -- the HTTP status
    body        TEXT    NOT NULL, -- the body, a JSON object
    kept_at_us  INTEGER NOT NULL  -- since when it is kept, by the wall
) STRICT;
CREATE UNIQUE INDEX answer_key ON answer (key, workspace);

-- Verified webhook bodies, once by id, in the order of arrival (rowid).
CREATE TABLE inbox (
    arrival        INTEGER NOT NULL PRIMARY KEY, -- its place in the order of arrival
    id             TEXT    NOT NULL UNIQUE,      -- Stripe's id, or sha256:…
    kind           TEXT    NOT NULL,             -- Stripe's type
    created_us     INTEGER,                      -- when Stripe says it happened
    api_version    TEXT,                         -- the API version that it is rendered in
    livemode       INTEGER CHECK (livemode IN (0, 1)), -- live or test
    state          TEXT    NOT NULL CHECK (state IN ('pending', 'done', 'ignored', 'waiting', 'parked', 'marked')), -- what became of it
    note           TEXT,                         -- why
    waits_for      TEXT,                         -- what it waits for; of a marked one the object's id
    attempts       INTEGER NOT NULL DEFAULT 0,   -- how often it was tried
    received_at_us INTEGER NOT NULL,             -- when it was received, by the wall
    handled_at_us  INTEGER,                      -- when it was last dealt with, by the wall
    trace          TEXT,                         -- the trace of its arrival, as W3C's traceparent has it
    body           BLOB    NOT NULL              -- the raw body
) STRICT;
CREATE INDEX inbox_pending ON inbox (arrival) WHERE state = 'pending';
CREATE INDEX inbox_waiting ON inbox (waits_for) WHERE state IN ('waiting', 'marked');
CREATE INDEX inbox_parked ON inbox (arrival) WHERE state = 'parked';
CREATE INDEX inbox_handled ON inbox (handled_at_us) WHERE state IN ('done', 'ignored');

-- Objects of Stripe's that are to be fetched, since an event told of them or they were found to differ.
CREATE TABLE mark (
    id           TEXT    NOT NULL PRIMARY KEY, -- Stripe's id
    kind         TEXT    NOT NULL CHECK (kind IN ('subscription', 'schedule', 'invoice', 'checkout', 'customer')), -- what it is
    marked       INTEGER NOT NULL CHECK (marked > 0), -- how often it was marked since it was last clean
    state        TEXT    NOT NULL CHECK (state IN ('dirty', 'waiting', 'parked')), -- where it stands
    due_at_us    INTEGER NOT NULL,             -- when it is to be fetched next, by the wall; claimed: until when
    attempts     INTEGER NOT NULL DEFAULT 0,   -- how often it was tried in vain
    waits_for    TEXT,                         -- what it waits for
    note         TEXT,                         -- what became of the last try
    marked_at_us INTEGER NOT NULL              -- since when it is marked, by the wall
) STRICT;
CREATE INDEX mark_dirty ON mark (due_at_us) WHERE state = 'dirty';
CREATE INDEX mark_waiting ON mark (waits_for) WHERE state = 'waiting';

-- How far Stripe's lists have been read.
CREATE TABLE bookmark (
    name      TEXT    NOT NULL PRIMARY KEY, -- which list
    value     TEXT,                         -- the last id that was read; null: from the start
    set_at_us INTEGER NOT NULL,             -- since when, by the wall
    leased_until_us INTEGER NOT NULL        -- until when one daemon reads on, by the wall
) STRICT;

-- Mails that were promised in the transaction that called for them.
CREATE TABLE outbox (
    id                 TEXT    NOT NULL PRIMARY KEY, -- makes the Message-ID; rises with time
    workspace          TEXT    NOT NULL,             -- whose
    account            TEXT    NOT NULL,             -- whom it is for
    template           TEXT    NOT NULL CHECK (template IN ('run_out', 'warning')), -- which mail
    recipient          TEXT    NOT NULL,             -- the address; erased with the account
    name               TEXT,                         -- the person's name; erased with the account
    locale             TEXT,                         -- the language; erased with the account
    kind               TEXT    NOT NULL CHECK (kind IN ('message', 'integration')), -- the kind of credit
    spendable_uc       INTEGER NOT NULL,             -- what could still be spent
    allowance_uc       INTEGER NOT NULL,             -- the plan's allowance
    resets_at_us       INTEGER,                      -- the next reset
    created_at_us      INTEGER NOT NULL,             -- when it was promised, by the credit clock
    state              TEXT    NOT NULL CHECK (state IN ('queued', 'sent', 'parked', 'dropped')), -- where it stands
    attempts           INTEGER NOT NULL DEFAULT 0,   -- how often it was tried
    next_attempt_at_us INTEGER NOT NULL,             -- when it is to be tried next, by the wall
    last_error         TEXT,                         -- what the server last said
    sent_at_us         INTEGER,                      -- when it was sent, by the wall
    trace              TEXT                          -- the trace of what promised it, as W3C's traceparent has it
) STRICT;
CREATE INDEX outbox_queued ON outbox (next_attempt_at_us, id) WHERE state = 'queued';
CREATE INDEX outbox_parked ON outbox (id) WHERE state = 'parked';
CREATE INDEX outbox_sent ON outbox (sent_at_us) WHERE state = 'sent';
CREATE INDEX outbox_account ON outbox (account);

-- What the operator was told.
CREATE TABLE alert (
    at_us     INTEGER NOT NULL, -- when, by the credit clock
    workspace TEXT    NOT NULL, -- whose
    code      TEXT    NOT NULL, -- a stable word
    subject   TEXT    NOT NULL, -- what it is about
    detail    TEXT    NOT NULL  -- in words
) STRICT;

-- Promo codes.
CREATE TABLE promo (
    code                TEXT    NOT NULL PRIMARY KEY, -- what people type
    kind                TEXT    NOT NULL CHECK (kind IN ('message', 'integration')), -- the kind of credit
    amount_uc           INTEGER NOT NULL,             -- how many each redemption brings
    redemptions_max     INTEGER NOT NULL,             -- how often it may be redeemed in all
    redeemed            INTEGER NOT NULL CHECK (redeemed BETWEEN 0 AND redemptions_max), -- how often it is held or redeemed
    ends_at_us          INTEGER NOT NULL,             -- when it can no longer be redeemed
    grant_expires_at_us INTEGER,                      -- when what it granted expires
    created_at_us       INTEGER NOT NULL              -- when it was made
) STRICT, WITHOUT ROWID;

-- One redemption a code and account: held until its grant is made.
CREATE TABLE redemption (
    code       TEXT    NOT NULL REFERENCES promo (code), -- the code
    account    TEXT    NOT NULL,  -- who redeems it
    grant_id   TEXT    NOT NULL,  -- the grant that is made
    held_at_us INTEGER NOT NULL,  -- since when, by the credit clock
    made       INTEGER NOT NULL CHECK (made IN (0, 1)), -- the grant was made
    PRIMARY KEY (code, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX redemption_loose ON redemption (held_at_us) WHERE made = 0;

-- One claim a post: held until the claim is made.
CREATE TABLE post (
    post_url   TEXT    NOT NULL PRIMARY KEY, -- the address in its one normal form
    account    TEXT    NOT NULL,  -- who claims
    reward     TEXT    NOT NULL,  -- the claim
    held_at_us INTEGER NOT NULL,  -- since when, by the credit clock
    made       INTEGER NOT NULL CHECK (made IN (0, 1)) -- the claim was made
) STRICT, WITHOUT ROWID;
CREATE INDEX post_loose ON post (held_at_us) WHERE made = 0;

-- API keys; only hashes are kept.
CREATE TABLE api_key (
    id            TEXT    NOT NULL PRIMARY KEY, -- its public name
    hash          BLOB    NOT NULL UNIQUE,      -- SHA-256 of the key
    scopes        TEXT    NOT NULL,             -- its scopes, separated by blanks
    created_at_us INTEGER NOT NULL,             -- when it was made, by the wall
    revoked_at_us INTEGER                       -- when it was revoked, by the wall
) STRICT;

-- The test clock: one row once it was set.
CREATE TABLE test_clock (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), -- there is one clock
    now_us INTEGER NOT NULL                              -- where it stands
) STRICT;
