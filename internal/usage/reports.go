package usage

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/event"
)

// Reports answers questions about what was asked and answered, and keeps the tables that it answers from.
type Reports struct {
	pool *pgxpool.Pool
	bus  *event.Bus
	q    *db.Queries

	patience patience
}

// NewReports makes reports on the booked requests of a database and the live frames of a bus.
func NewReports(pool *pgxpool.Pool, bus *event.Bus) *Reports {
	return &Reports{pool: pool, bus: bus, q: db.New(), patience: usualPatience}
}
