//! A session that is given up when its server says nothing for longer than `socketTimeout`.

use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use futures::stream::{StreamExt as _, try_unfold};

use super::{Privilege, Rows, Select, Session, Unit, within};
use crate::error::DatabaseResult;
use crate::table::{Column, Table, TableId};
use crate::table_facts::TableFacts;

/// A session whose calls end after a time.
pub(super) struct Limited {
    pub(super) session: Box<dyn Session>,
    pub(super) limit: Duration,
}

#[async_trait]
impl Session for Limited {
    async fn tables(&mut self, kinds: &[String]) -> DatabaseResult<Vec<TableId>> {
        within(Some(self.limit), self.session.tables(kinds)).await
    }

    async fn table(&mut self, name: &TableId) -> DatabaseResult<Option<Table>> {
        within(Some(self.limit), self.session.table(name)).await
    }

    async fn describe(&mut self, query: &str) -> DatabaseResult<Vec<Column>> {
        within(Some(self.limit), self.session.describe(query)).await
    }

    async fn check_privilege(
        &mut self,
        privilege: Privilege,
        table: &TableId,
    ) -> DatabaseResult<()> {
        within(
            Some(self.limit),
            self.session.check_privilege(privilege, table),
        )
        .await
    }

    async fn now(&mut self) -> DatabaseResult<i64> {
        within(Some(self.limit), self.session.now()).await
    }

    async fn read(&mut self, select: Select) -> DatabaseResult<Rows> {
        let limit = Some(self.limit);
        let rows = within(limit, self.session.read(select)).await?;
        let rows = try_unfold(rows, move |mut rows| async move {
            let next = within(limit, rows.try_next()).await?;
            Ok(next.map(|row| (row, rows)))
        });
        Ok(rows.boxed())
    }

    async fn begin(&mut self) -> DatabaseResult<()> {
        within(Some(self.limit), self.session.begin()).await
    }

    async fn check_deferred(&mut self) -> DatabaseResult<()> {
        within(Some(self.limit), self.session.check_deferred()).await
    }

    async fn execute(&mut self, sql: &str) -> DatabaseResult<()> {
        within(Some(self.limit), self.session.execute(sql)).await
    }

    async fn affected(&mut self, sql: &str) -> DatabaseResult<u64> {
        within(Some(self.limit), self.session.affected(sql)).await
    }

    async fn facts(&mut self, table: &TableId) -> DatabaseResult<Option<TableFacts>> {
        within(Some(self.limit), self.session.facts(table)).await
    }

    async fn write(&mut self, units: &[Unit<'_>]) -> DatabaseResult<()> {
        // The limit is that of one statement's answer, not of many.
        for unit in units {
            within(
                Some(self.limit),
                self.session.write(std::slice::from_ref(unit)),
            )
            .await?;
        }
        Ok(())
    }
}
