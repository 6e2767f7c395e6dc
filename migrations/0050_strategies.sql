-- +goose Up

-- The release before takes a strategy that it does not know for weighted.
ALTER TABLE models DROP CONSTRAINT models_strategy_check;
ALTER TABLE models ADD CONSTRAINT models_strategy_check CHECK (strategy IN (
    'latency', 'cost', 'reliability', 'balanced', 'weighted', 'priority', 'least_busy', 'round_robin'
));
