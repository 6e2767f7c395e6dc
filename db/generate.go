// Package db holds every query: those of db/queries as sqlc makes them, and lists with free filters by hand. Only domain
// packages import it.
package db

//go:generate sh -c "cd .. && go tool -modfile=tools/go.mod sqlc generate"
