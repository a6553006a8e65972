//! From whatever schema a database has to the one that this version knows.

use rusqlite::Connection;

use super::fail;
use crate::error::Result;

/// What a new database gets.
const SCHEMA: &str = include_str!("../../schema.sql");

/// The steps that lead older databases to [`SCHEMA`]; the n-th leads from version n (counted from 1) to the next.
const STEPS: &[&str] = &[];

/// Marks a file as ours (PRAGMA application_id): "EXSD".
const APPLICATION_ID: i64 = 0x4558_5344;

/// The key of `meta` that names the version of exstreamd that last wrote the schema.
const WRITTEN_BY: &str = "written_by";

/// Makes the schema of an empty database, leads an older one here, and refuses a newer or a foreign one.
pub(super) fn bring_up_to_date(db: &mut Connection) -> Result<()> {
    bring_to(db, SCHEMA, STEPS)
}

fn bring_to(db: &mut Connection, schema: &str, steps: &[&str]) -> Result<()> {
    let doing = "reading the version of the database";
    let pragma = |name: &str| {
        db.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(|e| fail::sql(doing, e))
    };
    let (version, application) = (pragma("user_version")?, pragma("application_id")?);
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|e| fail::sql(doing, e))?;
    let newest = 1 + steps.len() as i64;
    if tables > 0 && application != APPLICATION_ID {
        crate::bail!(
            Data,
            "the file {} is not a database of exstreamd: move it away or choose another directory with --data",
            super::open::DATABASE_FILE
        );
    }
    if version > newest {
        let by: String = db
            .query_row(
                "SELECT value FROM meta WHERE key = ?1",
                [WRITTEN_BY],
                |row| row.get(0),
            )
            .unwrap_or_else(|_| "a later version".to_owned());
        crate::bail!(
            Data,
            "the database was written by exstreamd {by} (schema {version}), this is {} and knows schema {newest} at most, \
             so it needs that version or a later one: upgrade exstreamd, or restore the backup made before the upgrade",
            env!("CARGO_PKG_VERSION")
        );
    }
    if tables == 0 {
        return step(db, "making the database", schema, newest);
    }
    for (sql, from) in steps.iter().zip(1..) {
        if from >= version {
            let doing = format!("leading the database from schema {from} to {}", from + 1);
            step(db, &doing, sql, from + 1)?;
        }
    }
    Ok(())
}

/// One step, wholly or not at all.
fn step(db: &mut Connection, doing: &str, sql: &str, to: i64) -> Result<()> {
    let run = |db: &mut Connection| -> rusqlite::Result<()> {
        let tx = db.transaction()?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", to)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [WRITTEN_BY, env!("CARGO_PKG_VERSION")],
        )?;
        tx.commit()
    };
    run(db).map_err(|e| fail::sql(doing, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// The first schema released; the present one until there is a step.
    const BASE: &str = SCHEMA;

    fn memory() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    /// Everything that SQLite remembers of a schema, without the spelling of white space and comments.
    fn shape(db: &Connection) -> Vec<String> {
        let mut names = db
            .prepare("SELECT type || ' ' || name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1")
            .unwrap();
        let mut lines: Vec<String> = names
            .query_map([], |r| r.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for (list, columns) in [
            (
                "SELECT m.name, p.name, p.type, p.\"notnull\", p.dflt_value, p.pk FROM sqlite_schema m, pragma_table_xinfo(m.name) p ORDER BY m.name, p.name",
                6,
            ),
            (
                "SELECT m.name, p.\"table\", p.\"from\", p.\"to\", p.on_delete FROM sqlite_schema m, pragma_foreign_key_list(m.name) p ORDER BY 1, 2, 3",
                5,
            ),
            (
                "SELECT m.name, l.\"unique\", p.name, p.coll FROM sqlite_schema m, pragma_index_list(m.name) l, pragma_index_xinfo(l.name) p ORDER BY 1, l.name, p.seqno",
                4,
            ),
        ] {
            let mut statement = db.prepare(list).unwrap();
            let rows = statement
                .query_map([], |r| {
                    (0..columns)
                        .map(|i| Ok(format!("{:?}", r.get::<_, rusqlite::types::Value>(i)?)))
                        .collect::<rusqlite::Result<Vec<_>>>()
                })
                .unwrap();
            lines.extend(rows.map(|r| r.unwrap().join(" ")));
        }
        lines
    }

    #[test]
    fn every_older_version_arrives_at_schema_sql() {
        let (mut new, mut old) = (memory(), memory());
        bring_up_to_date(&mut new).unwrap();
        bring_to(&mut old, BASE, &[]).unwrap();
        bring_up_to_date(&mut old).unwrap();
        assert_eq!(shape(&new), shape(&old));
        assert!(shape(&new).len() > 60);
    }

    #[test]
    fn steps_run_once_each_in_order_and_wholly_or_not_at_all() {
        let one = "ALTER TABLE meta ADD COLUMN extra TEXT;";
        let two = "CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT;";
        let mut db = memory();
        bring_up_to_date(&mut db).unwrap();
        let before = shape(&db);
        let broken = bring_to(&mut db, SCHEMA, &["CREATE TABLE half (a TEXT); nonsense"]);
        assert_eq!(broken.unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(shape(&db), before);
        bring_to(&mut db, SCHEMA, &[one]).unwrap();
        bring_to(&mut db, SCHEMA, &[one, two]).unwrap();
        bring_to(&mut db, SCHEMA, &[one, two]).unwrap();
        let mut direct = memory();
        bring_to(&mut direct, &format!("{SCHEMA}{one}{two}"), &[one, two]).unwrap();
        assert_eq!(shape(&db), shape(&direct));
        assert_ne!(shape(&db), before);
    }

    #[test]
    fn a_newer_or_foreign_database_is_refused_with_the_way_back() {
        let mut newer = memory();
        bring_to(&mut newer, SCHEMA, &[]).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        newer
            .execute("UPDATE meta SET value = '9.9.9'", [])
            .unwrap();
        let error = bring_up_to_date(&mut newer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        for word in [
            "written by exstreamd 9.9.9",
            "restore the backup",
            "upgrade",
        ] {
            assert!(error.to_string().contains(word), "{error}");
        }
        let mut foreign = memory();
        foreign.execute_batch("CREATE TABLE x (y)").unwrap();
        assert_eq!(
            bring_up_to_date(&mut foreign).unwrap_err().kind(),
            ErrorKind::Data
        );
    }
}
