"""Sums of claims by stretches of time. Those of single windows are let go: claims count anew from here on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.drop_table("tally")
    op.create_table(
        "tally",
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("promise", sa.String(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("system", "promise", "end_us"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("tally")
    op.create_table(
        "tally",
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("system", "window"),
    )
    with op.batch_alter_table("tally", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tally_end_us"), ["end_us"], unique=False)
