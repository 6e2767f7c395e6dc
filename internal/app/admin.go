package app

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"

	"aihigress/db"
	"aihigress/internal/account"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/migrations"
)

// admin makes the first admin of a production install and prints a one-time password.
func (c Command) admin(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "create" {
		return fmt.Errorf("aihigress admin: say create --email E: %w", errUsage)
	}
	var email string
	err := c.flags("admin create", "Makes an admin and prints a password for the first sign-in, to be changed after it.", args[1:], func(f *flag.FlagSet) {
		f.StringVar(&email, "email", "", "what the admin signs in with")
	})
	if err != nil {
		return err
	}
	if email == "" {
		return fmt.Errorf("aihigress admin create: --email is missing: %w", errUsage)
	}
	settings, err := c.settings()
	if err != nil {
		return err
	}
	if err := migrations.Check(ctx, settings.DatabaseURL); err != nil {
		return err
	}
	pool, err := db.Open(ctx, settings.DatabaseURL, 2)
	if err != nil {
		return err
	}
	defer pool.Close()
	log := audit.New(pool)
	password := rand.Text()
	_, err = account.New(pool, log, credit.New(pool, log)).Create(authz.With(ctx, authz.Job("admin create")), account.CreateInput{
		Email: email, Role: authz.Admin, Password: password,
	})
	if errors.Is(err, fault.Conflict) {
		return fmt.Errorf("there is a user with the e-mail %s already", email)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stdout, "%s signs in with this password, which is shown only here and should be changed then: %s\n", email, password)
	return err
}
