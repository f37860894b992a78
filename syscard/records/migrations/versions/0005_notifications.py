"""Messages to people, and what is remembered of what was told."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "notification",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("made", sa.String(), nullable=False),
        sa.Column("due", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", "target"),
    )
    op.create_index("ix_notification_system", "notification", ["system"])
    op.create_index("ix_notification_state", "notification", ["state"])
    op.create_table(
        "notifier",
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("system"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("notifier")
    op.drop_table("notification")
