//! Promo codes and post addresses: each redemption and claim is held under its own key first.
//!
//! A code's row is locked before its redemptions are looked at, so that those who redeem it go one
//! by one.

use super::PostgresStore;
use super::alone::until_settled;
use super::answers;
use crate::clock;
use crate::store::page::page;
use crate::store::row::count;
use crate::store::row::people::kind;
use crate::store::{
    KeptAnswer, Loose, Page, PageQuery, Promo, Reservation, StoreError, StoreResult,
};
use creditd_rules::id::{AccountId, GrantId, RewardId};
use creditd_rules::{Amount, Instant};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

macro_rules! with_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " code, kind, amount_uc, redemptions_max, redeemed, ends_at, grant_expires_at,
                created_at ",
            $after
        )
    };
}

const HOLD: &str = "
    WITH counted AS (UPDATE promo SET redeemed = redeemed + 1 WHERE code = $1)
    INSERT INTO redemption (code, account, grant_id, held_at, made)
    VALUES ($1, $2, $3, $4, false)";

const FREE: &str = "
    WITH freed AS (
        DELETE FROM redemption WHERE code = $1 AND account = $2 AND NOT made RETURNING code)
    UPDATE promo SET redeemed = redeemed - 1 WHERE code IN (SELECT code FROM freed)";

/// What is held and loose, in one snapshot: codes first.
pub(super) const LOOSE: &str = "
    SELECT true AS promo, code AS held, account, grant_id AS claim FROM redemption
    WHERE NOT made AND held_at < $1
    UNION ALL
    (SELECT false, post_url, account, reward FROM post WHERE NOT made AND held_at < $1
     UNION
     SELECT false, post.post_url, post.account, post.reward FROM reward
     JOIN post ON post.post_url = reward.post_url AND post.reward = reward.id
     WHERE reward.status = 'rejected')
    ORDER BY promo DESC, held, account";

fn read(row: &PgRow) -> StoreResult<Promo> {
    Ok(Promo {
        code: row.try_get("code")?,
        kind: kind(row.try_get("kind")?)?,
        amount: Amount::from_micros(row.try_get("amount_uc")?),
        limit: count("a code's limit", row.try_get("redemptions_max")?)?,
        redeemed: count("a number of redemptions", row.try_get("redeemed")?)?,
        ends_at: row.try_get("ends_at")?,
        grant_expires_at: row.try_get("grant_expires_at")?,
        created_at: row.try_get("created_at")?,
    })
}

async fn one(db: &mut PgConnection, sql: &'static str, code: &str) -> StoreResult<Option<Promo>> {
    let row = sqlx::query(sql).bind(code).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// The code, whose row is locked until the transaction's end.
async fn locked(db: &mut PgConnection, code: &str) -> StoreResult<Option<Promo>> {
    one(db, with_columns!("SELECT", "FROM promo WHERE code = $1 FOR UPDATE"), code).await
}

impl PostgresStore {
    pub(super) async fn make_promo(
        &self, promo: &Promo, key: &str, answer: &KeptAnswer,
    ) -> StoreResult<Result<Option<KeptAnswer>, ()>> {
        until_settled(|| self.try_make_promo(promo, key, answer)).await
    }

    async fn try_make_promo(
        &self, promo: &Promo, key: &str, answer: &KeptAnswer,
    ) -> StoreResult<Result<Option<KeptAnswer>, ()>> {
        let sql = "
            INSERT INTO promo (code, kind, amount_uc, redemptions_max, redeemed, ends_at,
                grant_expires_at, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (code) DO NOTHING";
        let Promo { code, kind, amount, limit, redeemed, ends_at, grant_expires_at, created_at } =
            promo;
        let mut db = self.begin().await?;
        if let Some(kept) = answers::find_one(&mut db, key).await? {
            return Ok(Ok(Some(kept)));
        }
        // The key first: whoever uses it at the same time waits here, and then finds this answer.
        answers::keep_one(&mut db, key, answer, clock::wall()).await?;
        let done = sqlx::query(sql)
            .bind(code.as_str())
            .bind(kind.as_str())
            .bind(amount.micros())
            .bind(i64::from(*limit))
            .bind(i64::from(*redeemed))
            .bind(*ends_at)
            .bind(*grant_expires_at)
            .bind(*created_at)
            .execute(&mut *db)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(Err(()));
        }
        db.commit().await?;
        Ok(Ok(None))
    }

    pub(super) async fn stop_promo(
        &self, code: &str, at: Instant, key: &str,
        answer: &(dyn for<'p> Fn(&'p Promo) -> KeptAnswer + Sync),
    ) -> StoreResult<Option<(KeptAnswer, bool)>> {
        until_settled(|| self.try_stop_promo(code, at, key, answer)).await
    }

    async fn try_stop_promo(
        &self, code: &str, at: Instant, key: &str,
        answer: &(dyn for<'p> Fn(&'p Promo) -> KeptAnswer + Sync),
    ) -> StoreResult<Option<(KeptAnswer, bool)>> {
        let sql = with_columns!(
            "UPDATE promo SET ends_at = least(ends_at, $2) WHERE code = $1 RETURNING",
            ""
        );
        let mut db = self.begin().await?;
        if let Some(kept) = answers::find_one(&mut db, key).await? {
            return Ok(Some((kept, true)));
        }
        let row = sqlx::query(sql).bind(code).bind(at).fetch_optional(&mut *db).await?;
        let Some(row) = row else { return Ok(None) };
        let answer = answer(&read(&row)?);
        answers::keep_one(&mut db, key, &answer, clock::wall()).await?;
        db.commit().await?;
        Ok(Some((answer, false)))
    }

    pub(super) async fn find_promo(&self, code: &str) -> StoreResult<Option<Promo>> {
        let mut db = self.session().await?;
        one(&mut db, with_columns!("SELECT", "FROM promo WHERE code = $1"), code).await
    }

    pub(super) async fn list_promos(&self, asked: &PageQuery) -> StoreResult<Page<Promo>> {
        let mut db = self.session().await?;
        let sql = with_columns!("SELECT", "FROM promo WHERE code > $1 ORDER BY code LIMIT $2");
        let rows =
            sqlx::query(sql).bind(asked.after()).bind(asked.fetched()).fetch_all(&mut *db).await?;
        let promos = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        Ok(page(promos, asked, |promo| promo.code.clone()))
    }

    pub(super) async fn hold_promo(
        &self, code: &str, account: &AccountId, grant: &GrantId, now: Instant,
    ) -> StoreResult<Reservation<GrantId>> {
        let mut db = self.begin().await?;
        let Some(promo) = locked(&mut db, code).await? else { return Ok(Reservation::Unknown) };
        let sql = "SELECT grant_id FROM redemption WHERE code = $1 AND account = $2";
        let held: Option<String> = sqlx::query_scalar(sql)
            .bind(code)
            .bind(account.as_str())
            .fetch_optional(&mut *db)
            .await?;
        if let Some(held) = held {
            return Ok(Reservation::Already(held.into()));
        }
        if let Some(closed) = promo.closed(now) {
            return Ok(closed);
        }
        sqlx::query(HOLD)
            .bind(code)
            .bind(account.as_str())
            .bind(grant.as_str())
            .bind(now)
            .execute(&mut *db)
            .await?;
        db.commit().await?;
        Ok(Reservation::Held(grant.clone()))
    }

    pub(super) async fn finish_promo(
        &self, code: &str, account: &AccountId, made: bool,
    ) -> StoreResult<()> {
        if made {
            let sql = "UPDATE redemption SET made = true WHERE code = $1 AND account = $2";
            self.write_alone(sqlx::query(sql).bind(code).bind(account.as_str())).await?;
            return Ok(());
        }
        let mut db = self.begin().await?;
        if locked(&mut db, code).await?.is_some() {
            sqlx::query(FREE).bind(code).bind(account.as_str()).execute(&mut *db).await?;
        }
        db.commit().await
    }

    pub(super) async fn hold_post(
        &self, post_url: &str, account: &AccountId, reward: &RewardId, now: Instant,
    ) -> StoreResult<Reservation<RewardId>> {
        until_settled(|| self.try_hold_post(post_url, account, reward, now)).await
    }

    async fn try_hold_post(
        &self, post_url: &str, account: &AccountId, reward: &RewardId, now: Instant,
    ) -> StoreResult<Reservation<RewardId>> {
        let sql = "INSERT INTO post (post_url, account, reward, held_at, made)
                   VALUES ($1, $2, $3, $4, false) ON CONFLICT (post_url) DO NOTHING";
        let mut db = self.begin().await?;
        let done = sqlx::query(sql)
            .bind(post_url)
            .bind(account.as_str())
            .bind(reward.as_str())
            .bind(now)
            .execute(&mut *db)
            .await?;
        if done.rows_affected() > 0 {
            db.commit().await?;
            return Ok(Reservation::Held(reward.clone()));
        }
        let sql = "SELECT account, reward FROM post WHERE post_url = $1";
        let held: Option<(String, String)> =
            sqlx::query_as(sql).bind(post_url).fetch_optional(&mut *db).await?;
        // It was freed between the two statements.
        let (holder, held) = held.ok_or(StoreError::Conflict)?;
        Ok(Reservation::held(&holder, account, held.into()))
    }

    pub(super) async fn finish_post(
        &self, post_url: &str, reward: &RewardId, made: bool,
    ) -> StoreResult<()> {
        let sql = if made {
            "UPDATE post SET made = true WHERE post_url = $1 AND reward = $2"
        } else {
            "DELETE FROM post WHERE post_url = $1 AND reward = $2"
        };
        self.write_alone(sqlx::query(sql).bind(post_url).bind(reward.as_str())).await?;
        Ok(())
    }

    pub(super) async fn list_loose(&self, before: Instant) -> StoreResult<Vec<Loose>> {
        let mut db = self.session().await?;
        let rows: Vec<(bool, String, String, String)> =
            sqlx::query_as(LOOSE).bind(before).fetch_all(&mut *db).await?;
        let loose = rows.into_iter().map(|(promo, held, account, claim)| {
            let account = account.into();
            if promo {
                Loose::Promo { code: held, account, grant: claim.into() }
            } else {
                Loose::Post { post_url: held, account, reward: claim.into() }
            }
        });
        Ok(loose.collect())
    }
}
