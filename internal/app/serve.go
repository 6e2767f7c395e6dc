package app

import (
	"context"
	"flag"
	"net"

	"aihigress/migrations"
)

// serve runs a production node.
func (c Command) serve(ctx context.Context, args []string) error {
	if err := c.flags("serve", "Runs a node. The environment says where the stores are; see the README's table.", args, func(*flag.FlagSet) {}); err != nil {
		return err
	}
	settings, err := c.settings()
	if err != nil {
		return err
	}
	log := c.logger(settings.LogFormat, settings.Level)
	if err := migrations.Check(ctx, settings.DatabaseURL); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", settings.Listen)
	if err != nil {
		return listenError(settings.Listen, "LISTEN", err)
	}
	defer listener.Close()
	gateway, err := New(ctx, Options{Config: settings, Log: log, Version: c.Version.filled()})
	if err != nil {
		return err
	}
	return gateway.Run(ctx, listener, func(context.Context) error {
		log.Info("ready", "listen", listener.Addr().String(), "version", c.Version.filled().Version)
		return nil
	})
}
