//! Promo codes and post addresses: each redemption and claim is held under its own key first.

use super::SqliteStore;
use super::answers;
use crate::clock;
use crate::store::page::page;
use crate::store::row::people::kind;
use crate::store::row::{count, instant, maybe_instant, us};
use crate::store::{KeptAnswer, Loose, Page, PageQuery, Promo, Reservation, StoreResult};
use creditd_rules::id::{AccountId, GrantId, RewardId};
use creditd_rules::{Amount, Instant};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT code, kind, amount_uc, redemptions_max, redeemed, ends_at_us,
                 grant_expires_at_us, created_at_us FROM promo ",
            $rest
        )
    };
}

fn read(row: &SqliteRow) -> StoreResult<Promo> {
    Ok(Promo {
        code: row.try_get("code")?,
        kind: kind(&row.try_get::<String, _>("kind")?)?,
        amount: Amount::from_micros(row.try_get("amount_uc")?),
        limit: count("a code's limit", row.try_get("redemptions_max")?)?,
        redeemed: count("a number of redemptions", row.try_get("redeemed")?)?,
        ends_at: instant(row.try_get("ends_at_us")?)?,
        grant_expires_at: maybe_instant(row.try_get("grant_expires_at_us")?)?,
        created_at: instant(row.try_get("created_at_us")?)?,
    })
}

async fn find(db: &mut SqliteConnection, code: &str) -> StoreResult<Option<Promo>> {
    let row = sqlx::query(select!("WHERE code = ?1")).bind(code).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

impl SqliteStore {
    pub(super) async fn make_promo(
        &self, promo: &Promo, key: &str, answer: &KeptAnswer,
    ) -> StoreResult<Result<Option<KeptAnswer>, ()>> {
        let sql = "
            INSERT INTO promo (code, kind, amount_uc, redemptions_max, redeemed, ends_at_us,
                grant_expires_at_us, created_at_us)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
            ON CONFLICT (code) DO NOTHING";
        let Promo { code, kind, amount, limit, redeemed, ends_at, grant_expires_at, created_at } =
            promo;
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        if let Some(kept) = answers::find_one(&mut db, key).await? {
            return Ok(Ok(Some(kept)));
        }
        let done = sqlx::query(sql)
            .bind(code.as_str())
            .bind(kind.as_str())
            .bind(amount.micros())
            .bind(i64::from(*limit))
            .bind(i64::from(*redeemed))
            .bind(us(*ends_at))
            .bind(grant_expires_at.map(us))
            .bind(us(*created_at))
            .execute(&mut *db)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(Err(()));
        }
        answers::keep_one(&mut db, key, answer, clock::wall()).await?;
        db.commit().await?;
        Ok(Ok(None))
    }

    pub(super) async fn stop_promo(
        &self, code: &str, at: Instant, key: &str,
        answer: &(dyn for<'p> Fn(&'p Promo) -> KeptAnswer + Sync),
    ) -> StoreResult<Option<(KeptAnswer, bool)>> {
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        if let Some(kept) = answers::find_one(&mut db, key).await? {
            return Ok(Some((kept, true)));
        }
        let sql = "UPDATE promo SET ends_at_us = min(ends_at_us, ?2) WHERE code = ?1";
        sqlx::query(sql).bind(code).bind(us(at)).execute(&mut *db).await?;
        let Some(promo) = find(&mut db, code).await? else { return Ok(None) };
        let answer = answer(&promo);
        answers::keep_one(&mut db, key, &answer, clock::wall()).await?;
        db.commit().await?;
        Ok(Some((answer, false)))
    }

    pub(super) async fn find_promo(&self, code: &str) -> StoreResult<Option<Promo>> {
        let mut db = self.reader.acquire().await?;
        find(&mut db, code).await
    }

    pub(super) async fn list_promos(&self, asked: &PageQuery) -> StoreResult<Page<Promo>> {
        let rows = sqlx::query(select!("WHERE code > ?1 ORDER BY code LIMIT ?2"))
            .bind(asked.after())
            .bind(asked.fetched())
            .fetch_all(&self.reader)
            .await?;
        let promos = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        Ok(page(promos, asked, |promo| promo.code.clone()))
    }

    pub(super) async fn hold_promo(
        &self, code: &str, account: &AccountId, grant: &GrantId, now: Instant,
    ) -> StoreResult<Reservation<GrantId>> {
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        let sql = "SELECT grant_id FROM redemption WHERE code = ?1 AND account = ?2";
        let held: Option<String> = sqlx::query_scalar(sql)
            .bind(code)
            .bind(account.as_str())
            .fetch_optional(&mut *db)
            .await?;
        if let Some(held) = held {
            return Ok(Reservation::Already(held.into()));
        }
        let Some(promo) = find(&mut db, code).await? else { return Ok(Reservation::Unknown) };
        if let Some(closed) = promo.closed(now) {
            return Ok(closed);
        }
        let sql = "UPDATE promo SET redeemed = redeemed + 1 WHERE code = ?1";
        sqlx::query(sql).bind(code).execute(&mut *db).await?;
        let sql = "INSERT INTO redemption (code, account, grant_id, held_at_us, made)
                   VALUES (?1, ?2, ?3, ?4, 0)";
        sqlx::query(sql)
            .bind(code)
            .bind(account.as_str())
            .bind(grant.as_str())
            .bind(us(now))
            .execute(&mut *db)
            .await?;
        db.commit().await?;
        Ok(Reservation::Held(grant.clone()))
    }

    pub(super) async fn finish_promo(
        &self, code: &str, account: &AccountId, made: bool,
    ) -> StoreResult<()> {
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        if made {
            let sql = "UPDATE redemption SET made = 1 WHERE code = ?1 AND account = ?2";
            sqlx::query(sql).bind(code).bind(account.as_str()).execute(&mut *db).await?;
        } else {
            let sql = "DELETE FROM redemption WHERE code = ?1 AND account = ?2 AND made = 0";
            let done = sqlx::query(sql).bind(code).bind(account.as_str()).execute(&mut *db).await?;
            if done.rows_affected() > 0 {
                let sql = "UPDATE promo SET redeemed = redeemed - 1 WHERE code = ?1";
                sqlx::query(sql).bind(code).execute(&mut *db).await?;
            }
        }
        db.commit().await
    }

    pub(super) async fn hold_post(
        &self, post_url: &str, account: &AccountId, reward: &RewardId, now: Instant,
    ) -> StoreResult<Reservation<RewardId>> {
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        let sql = "INSERT INTO post (post_url, account, reward, held_at_us, made)
                   VALUES (?1, ?2, ?3, ?4, 0) ON CONFLICT (post_url) DO NOTHING";
        let done = sqlx::query(sql)
            .bind(post_url)
            .bind(account.as_str())
            .bind(reward.as_str())
            .bind(us(now))
            .execute(&mut *db)
            .await?;
        if done.rows_affected() > 0 {
            db.commit().await?;
            return Ok(Reservation::Held(reward.clone()));
        }
        let sql = "SELECT account, reward FROM post WHERE post_url = ?1";
        let (holder, held): (String, String) =
            sqlx::query_as(sql).bind(post_url).fetch_one(&mut *db).await?;
        Ok(Reservation::held(&holder, account, held.into()))
    }

    pub(super) async fn finish_post(
        &self, post_url: &str, reward: &RewardId, made: bool,
    ) -> StoreResult<()> {
        let sql = if made {
            "UPDATE post SET made = 1 WHERE post_url = ?1 AND reward = ?2"
        } else {
            "DELETE FROM post WHERE post_url = ?1 AND reward = ?2"
        };
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        sqlx::query(sql).bind(post_url).bind(reward.as_str()).execute(&mut *db).await?;
        db.commit().await
    }

    pub(super) async fn list_loose(&self, before: Instant) -> StoreResult<Vec<Loose>> {
        let mut db = self.reader.begin().await?;
        let sql = "SELECT code, account, grant_id FROM redemption
                   WHERE made = 0 AND held_at_us < ?1 ORDER BY code, account";
        let promos: Vec<(String, String, String)> =
            sqlx::query_as(sql).bind(us(before)).fetch_all(&mut *db).await?;
        let sql = "SELECT post_url, account, reward FROM post WHERE made = 0 AND held_at_us < ?1
                   UNION
                   SELECT post.post_url, post.account, post.reward FROM reward
                   JOIN post ON post.post_url = reward.post_url AND post.reward = reward.id
                   WHERE reward.status = 'rejected' ORDER BY post_url";
        let posts: Vec<(String, String, String)> =
            sqlx::query_as(sql).bind(us(before)).fetch_all(&mut *db).await?;
        let promos = promos.into_iter().map(|(code, account, grant)| Loose::Promo {
            code,
            account: account.into(),
            grant: grant.into(),
        });
        let posts = posts.into_iter().map(|(post_url, account, reward)| Loose::Post {
            post_url,
            account: account.into(),
            reward: reward.into(),
        });
        Ok(promos.chain(posts).collect())
    }
}
