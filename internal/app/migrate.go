package app

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/caarlos0/env/v11"

	"aihigress/migrations"
)

// migrate brings the schema up to date, or says how it stands. It needs DATABASE_URL and nothing else.
func (c Command) migrate(ctx context.Context, args []string) error {
	if len(args) == 0 || (args[0] != "up" && args[0] != "status") {
		return fmt.Errorf("aihigress migrate: say up or status: %w", errUsage)
	}
	if err := c.flags("migrate "+args[0], "Brings the database's schema up to date (up), or says how it stands (status).", args[1:], func(*flag.FlagSet) {}); err != nil {
		return err
	}
	url := env.ToMap(c.Environ)["DATABASE_URL"]
	if url == "" {
		return fmt.Errorf("aihigress migrate: DATABASE_URL is not set: %w", errUsage)
	}
	if args[0] == "up" {
		if err := migrations.Up(ctx, url); err != nil {
			return err
		}
	}
	list, err := migrations.List(ctx, url)
	if err != nil {
		return err
	}
	_, err = io.WriteString(c.Stdout, migrations.Describe(list))
	return err
}
