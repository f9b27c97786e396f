"""Search of tracking settings over validation sequences; ``optuna`` proposes what to try."""
