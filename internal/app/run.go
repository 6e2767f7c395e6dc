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
	"aihigress/proxy"
)

// Run serves until ctx ends, then drains: streams finish, the spool is booked, the leases go back. ready is called once
// calls can be answered; its error ends the run.
func (g *Gateway) Run(ctx context.Context, listener net.Listener, ready func(context.Context) error) error {
	defer g.close()
	server := g.server(g.handler)
	calls, cut := context.WithCancelCause(context.Background()) // of callers: without our actor, and not ended by ctx
	defer cut(nil)
	server.BaseContext = func(net.Listener) context.Context { return calls }
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
		"configuration": g.snapshots.Run, "events": g.bus.Run, "limits": g.limiter.Run, "vendor keys": g.vendorKeys.Run, "live figures": g.meter.Run,
		"health": g.health.Run, "health watch": g.watch.Run, "leases": g.leases.Run, "memory": g.memory.Run, "collector": g.collect, "booker": g.booker.Run,
		"conversations": func(ctx context.Context) error { return g.affinity.Run(ctx, g.bus) }, "recovery": g.recover,
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
	metrics, err := g.serveMetrics(ctx, work)
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
	err = errors.Join(err, g.closeDoors(server, cut))
	if metrics != nil {
		err = errors.Join(err, metrics.Close())
	}
	return errors.Join(err, g.drain(stopBackground, work))
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

const (
	// cutTimeout is how long calls may take to end that were told to.
	cutTimeout = 5 * time.Second
	// jobsTimeout and drainTimeout bound what follows once no call is left.
	jobsTimeout  = 10 * time.Second
	drainTimeout = 15 * time.Second
)

// closeDoors takes no new calls, once load balancers had time to see that the node is not ready, and waits for those under
// way. What does not end in time is ended by cut: its caller is told, and what it used is booked.
func (g *Gateway) closeDoors(server *http.Server, cut context.CancelCauseFunc) error {
	limit := g.options.Config.DrainTimeout
	g.draining.Store(true)
	g.log.Info("draining", "limit", limit, "delay", g.options.Config.DrainDelay)
	time.Sleep(g.options.Config.DrainDelay)
	g.stopPushing() // pages and subscriptions would go on forever

	err := within(limit, server.Shutdown)
	if errors.Is(err, context.DeadlineExceeded) {
		g.log.Warn("calls are ended, since the time to drain is over")
		cut(proxy.ErrStopping)
		err = within(cutTimeout, server.Shutdown)
	}
	if errors.Is(err, context.DeadlineExceeded) { // some callers do not even take the end
		err = server.Close()
	}
	if waitErr := within(cutTimeout, g.sockets); waitErr != nil {
		g.log.Warn("WebSockets are cut, since their peers do not take the end")
	}
	return err
}

// sockets waits for the WebSockets, which the server does not know of any more. They were told to end by stopPushing.
func (g *Gateway) sockets(ctx context.Context) error {
	done := make(chan struct{})
	go func() { // ends with the last socket, whose own writes are bounded
		defer close(done)
		g.graph.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain ends what is behind the doors in the order in which things need one another. What it does not finish in time is
// in the spool.
func (g *Gateway) drain(stopBackground func(), work *errgroup.Group) error {
	if err := within(jobsTimeout, g.jobs.Stop); err != nil {
		g.log.Warn("jobs did not end in time; another node takes them up", "error", err)
	}
	stopBackground()
	err := work.Wait()
	ctx, cancel := context.WithTimeout(authz.With(context.Background(), authz.Job("gateway")), drainTimeout)
	defer cancel()
	if drainErr := g.booker.Drain(ctx); drainErr != nil {
		g.log.Warn("some requests are not booked yet; the next start in this spool folder books them", "error", drainErr)
		return err
	}
	if leaseErr := g.leases.Close(ctx); leaseErr != nil {
		g.log.Warn("leases are given back later, by their expiry", "error", leaseErr)
	}
	return err
}

// within gives do so much time.
func within(limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return do(ctx)
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
