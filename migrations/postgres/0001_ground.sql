-- The ground: everything that creditd keeps, on PostgreSQL.
--
-- Instants are timestamptz, whole microseconds; amounts are bigint microcredits (`_uc`). "Credit
-- clock" and "wall" are the two hands of the clock. Columns that exist once for each kind of credit
-- begin with its name.
--
-- Tables of credit lead their keys with `bucket`, a hash of the workspace that is a constant for
-- good, so that they can be distributed by it: whatever belongs to one workspace lies in one place.
-- Nothing here needs sequences, triggers, enums, arrays or extensions.
--
-- Ids compare byte by byte (COLLATE "C"), whatever the database's locale: their order is that of
-- SQLite, and an upgrade of the system's locales spoils no index.

CREATE TABLE workspace (
    bucket smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    owner text COLLATE "C",
    decided_at timestamptz NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    next_seq bigint NOT NULL CHECK (next_seq > 0),
    PRIMARY KEY (bucket, id)
) WITH (fillfactor = 80);
COMMENT ON TABLE workspace IS 'A team, the unit that is decided and counted as one';
COMMENT ON COLUMN workspace.bucket IS 'Where it lies: the first byte of SHA-256 of its id';
COMMENT ON COLUMN workspace.id IS 'The host''s id';
COMMENT ON COLUMN workspace.owner IS 'The account that owns it';
COMMENT ON COLUMN workspace.decided_at IS 'The latest instant at which anything was decided, by the credit clock';
COMMENT ON COLUMN workspace.version IS 'Grows with every commit; each write names the one that it was decided on';
COMMENT ON COLUMN workspace.next_seq IS 'The number of the next ledger line';

CREATE TABLE account (
    bucket smallint NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    email text,
    name text,
    locale text,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    message_window_start timestamptz,
    message_window_end timestamptz,
    message_day_limit_uc bigint,
    message_month_limit_uc bigint,
    message_balance_uc bigint NOT NULL CHECK (message_balance_uc >= 0),
    message_used_uc bigint NOT NULL CHECK (message_used_uc >= 0),
    message_day_started_at timestamptz,
    message_day_used_uc bigint NOT NULL CHECK (message_day_used_uc >= 0),
    message_armed boolean NOT NULL,
    message_warned boolean NOT NULL,
    message_refusal jsonb,
    integration_window_start timestamptz,
    integration_window_end timestamptz,
    integration_day_limit_uc bigint,
    integration_month_limit_uc bigint,
    integration_balance_uc bigint NOT NULL CHECK (integration_balance_uc >= 0),
    integration_used_uc bigint NOT NULL CHECK (integration_used_uc >= 0),
    integration_day_started_at timestamptz,
    integration_day_used_uc bigint NOT NULL CHECK (integration_day_used_uc >= 0),
    integration_armed boolean NOT NULL,
    integration_warned boolean NOT NULL,
    integration_refusal jsonb,
    PRIMARY KEY (bucket, workspace, id)
) WITH (fillfactor = 80);
COMMENT ON TABLE account IS 'A person in one workspace';
COMMENT ON COLUMN account.bucket IS 'Where its workspace lies: the first byte of SHA-256 of the workspace''s id';
COMMENT ON COLUMN account.workspace IS 'Its workspace, for good';
COMMENT ON COLUMN account.id IS 'The host''s id';
COMMENT ON COLUMN account.email IS 'Where mail goes';
COMMENT ON COLUMN account.name IS 'How mail addresses the person';
COMMENT ON COLUMN account.locale IS 'The language of mail';
COMMENT ON COLUMN account.created_at IS 'When it was created, by the credit clock';
COMMENT ON COLUMN account.closed_at IS 'When it was closed, for good';
COMMENT ON COLUMN account.message_window_start IS 'Message credits: start of the open free window';
COMMENT ON COLUMN account.message_window_end IS 'Message credits: end of the open free window';
COMMENT ON COLUMN account.message_day_limit_uc IS 'Message credits: a day''s limit that the window was granted with, in microcredits';
COMMENT ON COLUMN account.message_month_limit_uc IS 'Message credits: a month''s limit that the window was granted with, in microcredits';
COMMENT ON COLUMN account.message_balance_uc IS 'Message credits: what the pot holds, in microcredits';
COMMENT ON COLUMN account.message_used_uc IS 'Message credits: drawn in the window, in microcredits';
COMMENT ON COLUMN account.message_day_started_at IS 'Message credits: the day in which the shorter limit last counted';
COMMENT ON COLUMN account.message_day_used_uc IS 'Message credits: drawn in that day, in microcredits';
COMMENT ON COLUMN account.message_armed IS 'Message credits: the next run-out is told';
COMMENT ON COLUMN account.message_warned IS 'Message credits: the early warning was given';
COMMENT ON COLUMN account.message_refusal IS 'Message credits: the first refusal since it was armed';
COMMENT ON COLUMN account.integration_window_start IS 'Integration credits: start of the open free window';
COMMENT ON COLUMN account.integration_window_end IS 'Integration credits: end of the open free window';
COMMENT ON COLUMN account.integration_day_limit_uc IS 'Integration credits: a day''s limit that the window was granted with, in microcredits';
COMMENT ON COLUMN account.integration_month_limit_uc IS 'Integration credits: a month''s limit that the window was granted with, in microcredits';
COMMENT ON COLUMN account.integration_balance_uc IS 'Integration credits: what the pot holds, in microcredits';
COMMENT ON COLUMN account.integration_used_uc IS 'Integration credits: drawn in the window, in microcredits';
COMMENT ON COLUMN account.integration_day_started_at IS 'Integration credits: the day in which the shorter limit last counted';
COMMENT ON COLUMN account.integration_day_used_uc IS 'Integration credits: drawn in that day, in microcredits';
COMMENT ON COLUMN account.integration_armed IS 'Integration credits: the next run-out is told';
COMMENT ON COLUMN account.integration_warned IS 'Integration credits: the early warning was given';
COMMENT ON COLUMN account.integration_refusal IS 'Integration credits: the first refusal since it was armed';

CREATE TABLE app (
    bucket smallint NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    PRIMARY KEY (bucket, workspace, id),
    FOREIGN KEY (bucket, workspace, owner) REFERENCES account
);
COMMENT ON TABLE app IS 'Something built by the host''s users';
COMMENT ON COLUMN app.bucket IS 'Where its workspace lies: the first byte of SHA-256 of the workspace''s id';
COMMENT ON COLUMN app.workspace IS 'Its workspace, for good';
COMMENT ON COLUMN app.id IS 'The host''s id';
COMMENT ON COLUMN app.owner IS 'The account that pays for its integration actions';

CREATE TABLE subscription (
    bucket smallint NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    customer text COLLATE "C" NOT NULL,
    buyer text COLLATE "C",
    status text NOT NULL CHECK (status IN ('active', 'trialing', 'past_due', 'unpaid', 'paused',
        'incomplete', 'incomplete_expired', 'canceled')),
    items jsonb NOT NULL,
    start timestamptz NOT NULL,
    anchor timestamptz NOT NULL,
    anchor_day smallint NOT NULL CHECK (anchor_day BETWEEN 1 AND 31),
    past_due_since timestamptz,
    cancel_at timestamptz,
    places_made bigint NOT NULL CHECK (places_made >= 0),
    begun boolean NOT NULL,
    trial text NOT NULL CHECK (trial IN ('none', 'running', 'over')),
    anchor_full_at timestamptz,
    anchor_move jsonb,
    announced jsonb,
    told_created timestamptz NOT NULL,
    told_rank smallint NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (bucket, workspace, id)
);
COMMENT ON TABLE subscription IS 'Our normalised copy of a Stripe subscription';
COMMENT ON COLUMN subscription.bucket IS 'Where its workspace lies: the first byte of SHA-256 of the workspace''s id';
COMMENT ON COLUMN subscription.workspace IS 'Its workspace';
COMMENT ON COLUMN subscription.id IS 'Stripe''s id';
COMMENT ON COLUMN subscription.customer IS 'Stripe''s customer';
COMMENT ON COLUMN subscription.buyer IS 'The account that bought it';
COMMENT ON COLUMN subscription.status IS 'Stripe''s word';
COMMENT ON COLUMN subscription.items IS 'What it buys';
COMMENT ON COLUMN subscription.start IS 'When it began';
COMMENT ON COLUMN subscription.anchor IS 'The instant that boundaries are counted from';
COMMENT ON COLUMN subscription.anchor_day IS 'The boundaries'' day of the month';
COMMENT ON COLUMN subscription.past_due_since IS 'Since when payment has failed';
COMMENT ON COLUMN subscription.cancel_at IS 'When it was asked to end';
COMMENT ON COLUMN subscription.places_made IS 'Seats made so far';
COMMENT ON COLUMN subscription.begun IS 'It has counted at least once';
COMMENT ON COLUMN subscription.trial IS 'Its first trial';
COMMENT ON COLUMN subscription.anchor_full_at IS 'The last full grant under a changed anchor';
COMMENT ON COLUMN subscription.anchor_move IS 'A change of anchor still to be accounted for';
COMMENT ON COLUMN subscription.announced IS 'From when, and which items, a schedule brings';
COMMENT ON COLUMN subscription.told_created IS 'When the event happened that it was last told from';
COMMENT ON COLUMN subscription.told_rank IS 'That event''s rank among those of one second';
COMMENT ON COLUMN subscription.ended_at IS 'When it ended';

CREATE TABLE seat (
    bucket smallint NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    subscription text COLLATE "C" NOT NULL,
    place bigint NOT NULL CHECK (place > 0),
    plan text COLLATE "C" NOT NULL,
    next_plan text COLLATE "C",
    announced_at timestamptz,
    announced_plan text COLLATE "C",
    holder text COLLATE "C",
    assigned_at timestamptz,
    status text NOT NULL CHECK (status IN ('active', 'suspended', 'ended')),
    start timestamptz NOT NULL,
    anchor timestamptz NOT NULL,
    anchor_day smallint NOT NULL CHECK (anchor_day BETWEEN 1 AND 31),
    cycle_start timestamptz,
    cycle_end timestamptz,
    carries_used boolean NOT NULL,
    begins_at timestamptz,
    grace_ends_at timestamptz,
    cancels_at timestamptz,
    ends_at timestamptz,
    due_at timestamptz,
    message_day_limit_uc bigint,
    message_month_limit_uc bigint,
    message_balance_uc bigint NOT NULL CHECK (message_balance_uc >= 0),
    message_used_uc bigint NOT NULL CHECK (message_used_uc >= 0),
    message_day_started_at timestamptz,
    message_day_used_uc bigint NOT NULL CHECK (message_day_used_uc >= 0),
    integration_day_limit_uc bigint,
    integration_month_limit_uc bigint,
    integration_balance_uc bigint NOT NULL CHECK (integration_balance_uc >= 0),
    integration_used_uc bigint NOT NULL CHECK (integration_used_uc >= 0),
    integration_day_started_at timestamptz,
    integration_day_used_uc bigint NOT NULL CHECK (integration_day_used_uc >= 0),
    CHECK (status <> 'ended' OR holder IS NULL),
    PRIMARY KEY (bucket, workspace, id),
    FOREIGN KEY (bucket, workspace, subscription) REFERENCES subscription,
    FOREIGN KEY (bucket, workspace, holder) REFERENCES account
) WITH (fillfactor = 80);
-- One live seat a person, whatever happens.
CREATE UNIQUE INDEX seat_holder ON seat (bucket, workspace, holder) WHERE holder IS NOT NULL;
-- Which plans are held at all, found by steps from one to the next.
CREATE INDEX seat_plan ON seat (plan) WHERE status <> 'ended';
CREATE INDEX seat_next_plan ON seat (next_plan) WHERE next_plan IS NOT NULL;
CREATE INDEX seat_due ON seat (due_at) WHERE due_at IS NOT NULL;
COMMENT ON TABLE seat IS 'One paid place of a subscription, with its allowances';
COMMENT ON COLUMN seat.bucket IS 'Where its workspace lies: the first byte of SHA-256 of the workspace''s id';
COMMENT ON COLUMN seat.workspace IS 'Its workspace';
COMMENT ON COLUMN seat.id IS 'Its id';
COMMENT ON COLUMN seat.subscription IS 'What pays for it';
COMMENT ON COLUMN seat.place IS 'Its number in the subscription';
COMMENT ON COLUMN seat.plan IS 'The plan in force';
COMMENT ON COLUMN seat.next_plan IS 'The plan that the next boundary brings';
COMMENT ON COLUMN seat.announced_at IS 'From when on a schedule announced a plan for it';
COMMENT ON COLUMN seat.announced_plan IS 'That plan; the boundary there brings it where it is lower';
COMMENT ON COLUMN seat.holder IS 'Who sits in it';
COMMENT ON COLUMN seat.assigned_at IS 'Since when';
COMMENT ON COLUMN seat.status IS 'Where it stands';
COMMENT ON COLUMN seat.start IS 'When its subscription began';
COMMENT ON COLUMN seat.anchor IS 'The instant that boundaries are counted from';
COMMENT ON COLUMN seat.anchor_day IS 'The boundaries'' day of the month';
COMMENT ON COLUMN seat.cycle_start IS 'Start of the running cycle';
COMMENT ON COLUMN seat.cycle_end IS 'End of the running cycle';
COMMENT ON COLUMN seat.carries_used IS 'The next boundary grants only what was not used';
COMMENT ON COLUMN seat.begins_at IS 'When it begins to count';
COMMENT ON COLUMN seat.grace_ends_at IS 'When it stops counting unless paid';
COMMENT ON COLUMN seat.cancels_at IS 'The cancel instant';
COMMENT ON COLUMN seat.ends_at IS 'The boundary at which it ends because the quantity fell';
COMMENT ON COLUMN seat.due_at IS 'The next instant at which something falls due on it';
COMMENT ON COLUMN seat.message_day_limit_uc IS 'Message credits: a day''s limit that the cycle was granted with, in microcredits';
COMMENT ON COLUMN seat.message_month_limit_uc IS 'Message credits: a month''s limit that the cycle was granted with, in microcredits';
COMMENT ON COLUMN seat.message_balance_uc IS 'Message credits: what the pot holds, in microcredits';
COMMENT ON COLUMN seat.message_used_uc IS 'Message credits: drawn in the cycle, in microcredits';
COMMENT ON COLUMN seat.message_day_started_at IS 'Message credits: the day in which the shorter limit last counted';
COMMENT ON COLUMN seat.message_day_used_uc IS 'Message credits: drawn in that day, in microcredits';
COMMENT ON COLUMN seat.integration_day_limit_uc IS 'Integration credits: a day''s limit that the cycle was granted with, in microcredits';
COMMENT ON COLUMN seat.integration_month_limit_uc IS 'Integration credits: a month''s limit that the cycle was granted with, in microcredits';
COMMENT ON COLUMN seat.integration_balance_uc IS 'Integration credits: what the pot holds, in microcredits';
COMMENT ON COLUMN seat.integration_used_uc IS 'Integration credits: drawn in the cycle, in microcredits';
COMMENT ON COLUMN seat.integration_day_started_at IS 'Integration credits: the day in which the shorter limit last counted';
COMMENT ON COLUMN seat.integration_day_used_uc IS 'Integration credits: drawn in that day, in microcredits';

CREATE TABLE credit_grant (
    bucket smallint NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('message', 'integration')),
    amount_uc bigint NOT NULL,
    balance_uc bigint NOT NULL CHECK (balance_uc >= 0),
    source text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    ended boolean NOT NULL,
    PRIMARY KEY (bucket, workspace, id),
    FOREIGN KEY (bucket, workspace, account) REFERENCES account
) WITH (fillfactor = 80);
CREATE INDEX grant_live ON credit_grant (bucket, workspace, account) WHERE NOT ended;
CREATE INDEX grant_account ON credit_grant (bucket, workspace, account, created_at, id);
CREATE INDEX grant_due ON credit_grant (expires_at) WHERE NOT ended AND expires_at IS NOT NULL;
COMMENT ON TABLE credit_grant IS 'Credits outside a plan';
COMMENT ON COLUMN credit_grant.bucket IS 'Where its workspace lies: the first byte of SHA-256 of the workspace''s id';
COMMENT ON COLUMN credit_grant.workspace IS 'Its account''s workspace';
COMMENT ON COLUMN credit_grant.id IS 'Its id';
COMMENT ON COLUMN credit_grant.account IS 'Whose it is';
COMMENT ON COLUMN credit_grant.kind IS 'The kind of credit';
COMMENT ON COLUMN credit_grant.amount_uc IS 'What was granted, in microcredits';
COMMENT ON COLUMN credit_grant.balance_uc IS 'What is left, in microcredits';
COMMENT ON COLUMN credit_grant.source IS 'Where it came from';
COMMENT ON COLUMN credit_grant.reason IS 'Why, in words';
COMMENT ON COLUMN credit_grant.created_at IS 'When it was made, by the credit clock';
COMMENT ON COLUMN credit_grant.expires_at IS 'When it ends';
COMMENT ON COLUMN credit_grant.ended IS 'Expired, revoked, or its account closed';

CREATE TABLE reward (
    bucket smallint NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    network text NOT NULL,
    post_url text COLLATE "C" NOT NULL,
    followers bigint NOT NULL CHECK (followers >= 0),
    app text COLLATE "C",
    status text NOT NULL CHECK (status IN ('claimed', 'approved', 'rejected')),
    claimed_at timestamptz NOT NULL,
    decided_at timestamptz,
    reason text,
    grant_id text COLLATE "C",
    PRIMARY KEY (bucket, workspace, id),
    FOREIGN KEY (bucket, workspace, account) REFERENCES account
);
CREATE INDEX reward_account ON reward (bucket, workspace, account);
-- Support reads claims of all workspaces by id.
CREATE INDEX reward_status ON reward (status, id);
CREATE INDEX reward_id ON reward (id);
COMMENT ON TABLE reward IS 'A claim of a share reward';
COMMENT ON COLUMN reward.bucket IS 'Where its workspace lies: the first byte of SHA-256 of the workspace''s id';
COMMENT ON COLUMN reward.workspace IS 'Its account''s workspace';
COMMENT ON COLUMN reward.id IS 'Its id';
COMMENT ON COLUMN reward.account IS 'Who claims';
COMMENT ON COLUMN reward.network IS 'Where the post is';
COMMENT ON COLUMN reward.post_url IS 'The post''s address in its one normal form';
COMMENT ON COLUMN reward.followers IS 'Followers, as claimed';
COMMENT ON COLUMN reward.app IS 'The app that was shared';
COMMENT ON COLUMN reward.status IS 'What became of it';
COMMENT ON COLUMN reward.claimed_at IS 'When it was claimed';
COMMENT ON COLUMN reward.decided_at IS 'When it was decided';
COMMENT ON COLUMN reward.reason IS 'Why it was decided so';
COMMENT ON COLUMN reward.grant_id IS 'The grant that it became';

CREATE TABLE entry (
    bucket smallint NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    pot text COLLATE "C",
    use_id text COLLATE "C",
    kind text NOT NULL,
    amount_uc bigint NOT NULL,
    pot_after_uc bigint,
    reason text NOT NULL,
    cycle_started_at timestamptz,
    effective_at timestamptz NOT NULL,
    posted_at timestamptz NOT NULL,
    actor text,
    app text COLLATE "C",
    action text,
    price_uc bigint,
    cause text,
    cause_at timestamptz,
    PRIMARY KEY (bucket, workspace, account, seq)
);
COMMENT ON TABLE entry IS 'The ledger: append-only, and lean. One index is all that it has, since each costs a page of its own for almost every debit';
COMMENT ON COLUMN entry.bucket IS 'Where its workspace lies: the first byte of SHA-256 of the workspace''s id';
COMMENT ON COLUMN entry.workspace IS 'Whose ledger';
COMMENT ON COLUMN entry.account IS 'Whose it was then; empty: a vacant seat''s, or nobody''s';
COMMENT ON COLUMN entry.seq IS 'Its number in the workspace';
COMMENT ON COLUMN entry.pot IS 'The pot that changed: seat/ID, free/ACCOUNT, grant/ID; null: a free action';
COMMENT ON COLUMN entry.use_id IS 'The debit that it belongs to';
COMMENT ON COLUMN entry.kind IS 'The kind of credit';
COMMENT ON COLUMN entry.amount_uc IS 'What was added, or taken where negative, in microcredits';
COMMENT ON COLUMN entry.pot_after_uc IS 'What the pot held afterwards, in microcredits';
COMMENT ON COLUMN entry.reason IS 'Why';
COMMENT ON COLUMN entry.cycle_started_at IS 'Start of the cycle or window that it concerns';
COMMENT ON COLUMN entry.effective_at IS 'The instant from which it counts';
COMMENT ON COLUMN entry.posted_at IS 'When it was posted, by the credit clock';
COMMENT ON COLUMN entry.actor IS 'Who acted';
COMMENT ON COLUMN entry.app IS 'The app';
COMMENT ON COLUMN entry.action IS 'The action';
COMMENT ON COLUMN entry.price_uc IS 'What one such action costs, in microcredits';
COMMENT ON COLUMN entry.cause IS 'What brought it about';
COMMENT ON COLUMN entry.cause_at IS 'When the cause happened, where that was earlier';

CREATE TABLE seat_account (
    bucket smallint NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    seat text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    PRIMARY KEY (bucket, workspace, seat, account)
);
COMMENT ON TABLE seat_account IS 'Which accounts have lines on a seat''s pots, so that the seat''s ledger is found through theirs';
COMMENT ON COLUMN seat_account.bucket IS 'Where its workspace lies: the first byte of SHA-256 of the workspace''s id';
COMMENT ON COLUMN seat_account.workspace IS 'Its workspace';
COMMENT ON COLUMN seat_account.seat IS 'The seat';
COMMENT ON COLUMN seat_account.account IS 'An account that held it';

CREATE TABLE answer (
    bucket smallint NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint NOT NULL,
    body text NOT NULL,
    kept_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, workspace, key)
);
-- Old answers lie together: a summary of pages finds them, and costs a new answer next to nothing.
CREATE INDEX answer_kept_at ON answer USING brin (kept_at) WITH (autosummarize = on);
COMMENT ON TABLE answer IS 'Answers kept under idempotency keys';
COMMENT ON COLUMN answer.bucket IS 'Where its workspace lies: the first byte of SHA-256 of the workspace''s id';
COMMENT ON COLUMN answer.workspace IS 'The key''s space; empty for requests without a workspace';
COMMENT ON COLUMN answer.key IS 'The key as given';
COMMENT ON COLUMN answer.fingerprint IS 'SHA-256 of method, path and body';
COMMENT ON COLUMN answer.status IS 'The HTTP status';
COMMENT ON COLUMN answer.body IS 'The body, a JSON object, byte for byte';
COMMENT ON COLUMN answer.kept_at IS 'Since when it is kept, by the wall';

CREATE TABLE outbox (
    bucket smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    template text NOT NULL CHECK (template IN ('run_out', 'warning')),
    recipient text NOT NULL,
    name text,
    locale text,
    kind text NOT NULL CHECK (kind IN ('message', 'integration')),
    spendable_uc bigint NOT NULL,
    allowance_uc bigint NOT NULL,
    resets_at timestamptz,
    created_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'sent', 'parked', 'dropped')),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    last_error text,
    sent_at timestamptz,
    trace text,
    PRIMARY KEY (bucket, id)
);
CREATE INDEX outbox_id ON outbox (id);
CREATE INDEX outbox_queued ON outbox (next_attempt_at, id) WHERE state = 'queued';
CREATE INDEX outbox_parked ON outbox (id) WHERE state = 'parked';
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE state = 'sent';
CREATE INDEX outbox_account ON outbox (bucket, workspace, account);
COMMENT ON TABLE outbox IS 'Mails that were promised in the transaction that called for them';
COMMENT ON COLUMN outbox.bucket IS 'Where its workspace lies: the first byte of SHA-256 of the workspace''s id';
COMMENT ON COLUMN outbox.id IS 'Makes the Message-ID; rises with time; its last two digits are the bucket';
COMMENT ON COLUMN outbox.workspace IS 'Whose';
COMMENT ON COLUMN outbox.account IS 'Whom it is for';
COMMENT ON COLUMN outbox.template IS 'Which mail';
COMMENT ON COLUMN outbox.recipient IS 'The address; erased with the account';
COMMENT ON COLUMN outbox.name IS 'The person''s name; erased with the account';
COMMENT ON COLUMN outbox.locale IS 'The language; erased with the account';
COMMENT ON COLUMN outbox.kind IS 'The kind of credit';
COMMENT ON COLUMN outbox.spendable_uc IS 'What could still be spent, in microcredits';
COMMENT ON COLUMN outbox.allowance_uc IS 'The plan''s allowance, in microcredits';
COMMENT ON COLUMN outbox.resets_at IS 'The next reset';
COMMENT ON COLUMN outbox.created_at IS 'When it was promised, by the credit clock';
COMMENT ON COLUMN outbox.state IS 'Where it stands';
COMMENT ON COLUMN outbox.attempts IS 'How often it was tried';
COMMENT ON COLUMN outbox.next_attempt_at IS 'When it is to be tried next, by the wall';
COMMENT ON COLUMN outbox.last_error IS 'What the server last said';
COMMENT ON COLUMN outbox.sent_at IS 'When it was sent, by the wall';
COMMENT ON COLUMN outbox.trace IS 'The trace of what promised it, as W3C''s traceparent has it';

CREATE TABLE alert (
    bucket smallint NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    number bigint NOT NULL,
    at timestamptz NOT NULL,
    code text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (bucket, workspace, version, number)
);
CREATE INDEX alert_at ON alert (at);
COMMENT ON TABLE alert IS 'What the operator was told';
COMMENT ON COLUMN alert.bucket IS 'Where its workspace lies: the first byte of SHA-256 of the workspace''s id';
COMMENT ON COLUMN alert.workspace IS 'Its workspace';
COMMENT ON COLUMN alert.version IS 'The workspace''s version that brought it';
COMMENT ON COLUMN alert.number IS 'Its place among the alerts of that version';
COMMENT ON COLUMN alert.at IS 'When, by the credit clock';
COMMENT ON COLUMN alert.code IS 'A stable word';
COMMENT ON COLUMN alert.subject IS 'What it is about';
COMMENT ON COLUMN alert.detail IS 'In words';

CREATE TABLE directory (
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('account', 'app', 'customer', 'grant', 'reward', 'seat', 'subscription')),
    id text COLLATE "C" NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, id)
);
COMMENT ON TABLE directory IS 'Which workspace a thing belongs to, keyed by the thing''s own id. What is claimed for a workspace need not exist yet';
COMMENT ON COLUMN directory.kind IS 'What kind of thing it is';
COMMENT ON COLUMN directory.id IS 'Its id';
COMMENT ON COLUMN directory.workspace IS 'Its workspace: for good, but for a customer''s, which is that of new subscriptions';

CREATE TABLE inbox (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    arrival bigint NOT NULL UNIQUE,
    kind text NOT NULL,
    created timestamptz,
    api_version text,
    livemode boolean,
    state text NOT NULL CHECK (state IN ('pending', 'done', 'ignored', 'waiting', 'parked', 'marked')),
    note text,
    waits_for text COLLATE "C",
    attempts integer NOT NULL DEFAULT 0,
    received_at timestamptz NOT NULL,
    handled_at timestamptz,
    trace text,
    body bytea NOT NULL
);
CREATE INDEX inbox_pending ON inbox (arrival) WHERE state = 'pending';
CREATE INDEX inbox_waiting ON inbox (waits_for) WHERE state IN ('waiting', 'marked');
CREATE INDEX inbox_parked ON inbox (arrival) WHERE state = 'parked';
CREATE INDEX inbox_handled ON inbox (handled_at) WHERE state IN ('done', 'ignored');
COMMENT ON TABLE inbox IS 'Verified webhook bodies, once by id';
COMMENT ON COLUMN inbox.id IS 'Stripe''s id, or sha256:…';
COMMENT ON COLUMN inbox.arrival IS 'Its place in the order of arrival';
COMMENT ON COLUMN inbox.kind IS 'Stripe''s type';
COMMENT ON COLUMN inbox.created IS 'When Stripe says it happened';
COMMENT ON COLUMN inbox.api_version IS 'The API version that it is rendered in';
COMMENT ON COLUMN inbox.livemode IS 'Live or test';
COMMENT ON COLUMN inbox.state IS 'What became of it';
COMMENT ON COLUMN inbox.note IS 'Why';
COMMENT ON COLUMN inbox.waits_for IS 'What it waits for; of a marked one the object''s id';
COMMENT ON COLUMN inbox.attempts IS 'How often it was tried';
COMMENT ON COLUMN inbox.received_at IS 'When it was received, by the wall';
COMMENT ON COLUMN inbox.handled_at IS 'When it was last dealt with, by the wall';
COMMENT ON COLUMN inbox.trace IS 'The trace of its arrival, as W3C''s traceparent has it';
COMMENT ON COLUMN inbox.body IS 'The raw body';

CREATE TABLE mark (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('subscription', 'schedule', 'invoice', 'checkout', 'customer')),
    marked bigint NOT NULL CHECK (marked > 0),
    state text NOT NULL CHECK (state IN ('dirty', 'waiting', 'parked')),
    due_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    waits_for text COLLATE "C",
    note text,
    marked_at timestamptz NOT NULL
);
CREATE INDEX mark_dirty ON mark (due_at) WHERE state = 'dirty';
CREATE INDEX mark_waiting ON mark (waits_for) WHERE state = 'waiting';
COMMENT ON TABLE mark IS 'Objects of Stripe''s that are to be fetched, since an event told of them or they were found to differ';
COMMENT ON COLUMN mark.id IS 'Stripe''s id';
COMMENT ON COLUMN mark.kind IS 'What it is';
COMMENT ON COLUMN mark.marked IS 'How often it was marked since it was last clean';
COMMENT ON COLUMN mark.state IS 'Where it stands';
COMMENT ON COLUMN mark.due_at IS 'When it is to be fetched next, by the wall; of a claimed one, until when it is claimed';
COMMENT ON COLUMN mark.attempts IS 'How often it was tried in vain';
COMMENT ON COLUMN mark.waits_for IS 'What it waits for';
COMMENT ON COLUMN mark.note IS 'What became of the last try';
COMMENT ON COLUMN mark.marked_at IS 'Since when it is marked, by the wall';

CREATE TABLE bookmark (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    value text COLLATE "C",
    set_at timestamptz NOT NULL,
    leased_until timestamptz NOT NULL
);
COMMENT ON TABLE bookmark IS 'How far Stripe''s lists have been read';
COMMENT ON COLUMN bookmark.name IS 'Which list';
COMMENT ON COLUMN bookmark.value IS 'The last id that was read; null: from the start';
COMMENT ON COLUMN bookmark.set_at IS 'Since when, by the wall';
COMMENT ON COLUMN bookmark.leased_until IS 'Until when one daemon reads on, by the wall';

CREATE TABLE promo (
    code text COLLATE "C" NOT NULL PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('message', 'integration')),
    amount_uc bigint NOT NULL,
    redemptions_max bigint NOT NULL,
    redeemed bigint NOT NULL CHECK (redeemed BETWEEN 0 AND redemptions_max),
    ends_at timestamptz NOT NULL,
    grant_expires_at timestamptz,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE promo IS 'Promo codes';
COMMENT ON COLUMN promo.code IS 'What people type';
COMMENT ON COLUMN promo.kind IS 'The kind of credit';
COMMENT ON COLUMN promo.amount_uc IS 'How many each redemption brings, in microcredits';
COMMENT ON COLUMN promo.redemptions_max IS 'How often it may be redeemed in all';
COMMENT ON COLUMN promo.redeemed IS 'How often it is held or redeemed';
COMMENT ON COLUMN promo.ends_at IS 'When it can no longer be redeemed';
COMMENT ON COLUMN promo.grant_expires_at IS 'When what it granted expires';
COMMENT ON COLUMN promo.created_at IS 'When it was made';

CREATE TABLE redemption (
    code text COLLATE "C" NOT NULL REFERENCES promo,
    account text COLLATE "C" NOT NULL,
    grant_id text COLLATE "C" NOT NULL,
    held_at timestamptz NOT NULL,
    made boolean NOT NULL,
    PRIMARY KEY (code, account)
);
CREATE INDEX redemption_loose ON redemption (held_at) WHERE NOT made;
COMMENT ON TABLE redemption IS 'One redemption a code and account: held until its grant is made';
COMMENT ON COLUMN redemption.code IS 'The code';
COMMENT ON COLUMN redemption.account IS 'Who redeems it';
COMMENT ON COLUMN redemption.grant_id IS 'The grant that is made';
COMMENT ON COLUMN redemption.held_at IS 'Since when, by the credit clock';
COMMENT ON COLUMN redemption.made IS 'The grant was made';

CREATE TABLE post (
    post_url text COLLATE "C" NOT NULL PRIMARY KEY,
    account text COLLATE "C" NOT NULL,
    reward text COLLATE "C" NOT NULL,
    held_at timestamptz NOT NULL,
    made boolean NOT NULL
);
CREATE INDEX post_loose ON post (held_at) WHERE NOT made;
COMMENT ON TABLE post IS 'One claim a post: held until the claim is made';
COMMENT ON COLUMN post.post_url IS 'The address in its one normal form';
COMMENT ON COLUMN post.account IS 'Who claims';
COMMENT ON COLUMN post.reward IS 'The claim';
COMMENT ON COLUMN post.held_at IS 'Since when, by the credit clock';
COMMENT ON COLUMN post.made IS 'The claim was made';

CREATE TABLE api_key (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    hash bytea NOT NULL UNIQUE,
    scopes text NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
COMMENT ON TABLE api_key IS 'API keys; only hashes are kept';
COMMENT ON COLUMN api_key.id IS 'Its public name';
COMMENT ON COLUMN api_key.hash IS 'SHA-256 of the key';
COMMENT ON COLUMN api_key.scopes IS 'Its scopes, separated by blanks';
COMMENT ON COLUMN api_key.created_at IS 'When it was made, by the wall';
COMMENT ON COLUMN api_key.revoked_at IS 'When it was revoked, by the wall';

CREATE TABLE moved (
    one smallint NOT NULL PRIMARY KEY CHECK (one = 1),
    origin text NOT NULL,
    began_at timestamptz NOT NULL,
    copied_at timestamptz,
    proven_at timestamptz
);
COMMENT ON TABLE moved IS 'That everything here was moved from another database: one row where it was. Until it is proven, nobody may use it';
COMMENT ON COLUMN moved.one IS 'It is moved once';
COMMENT ON COLUMN moved.origin IS 'The file that it came from';
COMMENT ON COLUMN moved.began_at IS 'When the last attempt began, by the database''s clock';
COMMENT ON COLUMN moved.copied_at IS 'When everything was copied, in one transaction';
COMMENT ON COLUMN moved.proven_at IS 'When the copy was found to be sound and the same as its origin';

CREATE TABLE test_clock (
    one smallint NOT NULL PRIMARY KEY CHECK (one = 1),
    now timestamptz NOT NULL
);
COMMENT ON TABLE test_clock IS 'The test clock: one row once it was set';
COMMENT ON COLUMN test_clock.one IS 'There is one clock';
COMMENT ON COLUMN test_clock.now IS 'Where it stands';
