package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"aihigress/internal/authz"
)

// Run serves until ctx ends, then drains: streams finish, the spool is booked, the leases go back. ready is called once
// calls can be answered; its error ends the run.
func (g *Gateway) Run(ctx context.Context, listener net.Listener, ready func(context.Context) error) error {
	defer g.close()
	server := g.server(g.handler)
	ctx = authz.With(ctx, authz.Job("gateway"))
	if err := g.reports.EnsurePartitions(ctx); err != nil {
		// A day without a partition of its own lands in the default one, and the job tries again.
		g.log.Warn("the request log's partitions are made later", "error", err)
	}

	// Background work outlives ctx: what is drained after it still needs the booker, the leases and the bus.
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	work, background := errgroup.WithContext(background)
	for name, run := range map[string]func(context.Context) error{
		"configuration": g.snapshots.Run, "events": g.bus.Run, "limits": g.limiter.Run, "live figures": g.meter.Run,
		"leases": g.leases.Run, "booker": g.booker.Run, "recovery": g.recover,
	} {
		work.Go(func() error {
			if err := run(background); err != nil && background.Err() == nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	if err := g.jobs.Start(background); err != nil {
		stopBackground()
		return errors.Join(fmt.Errorf("start jobs: %w", err), work.Wait())
	}

	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	work.Go(func() error {
		defer stopServing()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	metrics, err := g.serveMetrics(ctx)
	if err == nil {
		select {
		case <-g.booker.CaughtUp():
			err = ready(serving)
		case <-serving.Done():
		case <-background.Done():
		}
	}
	if err == nil {
		select {
		case <-serving.Done():
		case <-background.Done(): // a part has failed for good
		}
	}
	return errors.Join(err, g.drain(server, metrics, stopBackground, work))
}

// recover takes up the leases of this node's earlier run, once its requests are booked.
func (g *Gateway) recover(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-g.booker.CaughtUp():
	}
	for {
		// Nothing is owed: all that the earlier run left is booked, and nothing is reserved before this.
		err := g.leases.Recover(ctx)
		if err == nil {
			return nil
		}
		g.log.Warn("leases of the earlier run", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// drain ends everything in the order in which things need one another. What it does not finish in time is in the spool.
func (g *Gateway) drain(server, metrics *http.Server, stopBackground func(), work *errgroup.Group) error {
	g.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), g.options.Config.DrainTimeout)
	defer cancel()
	g.log.Info("draining", "limit", g.options.Config.DrainTimeout)
	g.stopPushing() // pages and subscriptions would go on forever

	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		g.log.Warn("streams were cut, since the time to drain was over")
		err = server.Close()
	}
	if metrics != nil {
		err = errors.Join(err, metrics.Close())
	}
	after, cancelAfter := context.WithTimeout(authz.With(context.Background(), authz.Job("gateway")), 15*time.Second)
	defer cancelAfter()
	err = errors.Join(err, g.jobs.Stop(after))
	stopBackground()
	err = errors.Join(err, work.Wait())
	if drainErr := g.booker.Drain(after); drainErr != nil {
		g.log.Warn("some requests are not booked yet; the next start in this spool folder books them", "error", drainErr)
		return err
	}
	if leaseErr := g.leases.Close(after); leaseErr != nil {
		g.log.Warn("leases are given back later, by their expiry", "error", leaseErr)
	}
	return err
}

// close gives up what New took.
func (g *Gateway) close() {
	if g.spool != nil {
		if err := g.spool.Close(); err != nil {
			g.log.Error("close the spool", "error", err)
		}
	}
	if g.upstream != nil {
		g.upstream.Close()
	}
	if g.redis != nil {
		g.redis.Close()
	}
	if g.pool != nil {
		g.pool.Close()
	}
}

func (g *Gateway) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}
