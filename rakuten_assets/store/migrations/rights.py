"""What the application's role may do, for migrations that make tables."""

from alembic import op

from rakuten_assets.store.database import ROLE

# Even the owner cannot rewrite a line by mistake: who means it must first take the trigger away.
REFUSE_REWRITING = """
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the table % is only added to', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""


def grant(*tables: str) -> None:
    """The application reads and writes these tables; their definition is not its business."""
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(tables)} TO {ROLE}")


def add_only(*tables: str) -> None:
    """The application adds rows to these tables and reads them."""
    op.execute(f"GRANT SELECT, INSERT ON {', '.join(tables)} TO {ROLE}")


def locked(table: str) -> None:
    """Nobody changes a row of this table, whatever their rights."""
    op.execute(
        f"CREATE TRIGGER locked BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting()"
    )
