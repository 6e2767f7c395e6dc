package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"aihigress/internal/simulator"
)

// simulator runs the fake vendor alone.
func (c Command) simulator(ctx context.Context, args []string) error {
	var listen string
	var seed uint64
	err := c.flags("simulator", "A fake vendor that speaks the dialects of OpenAI, Anthropic and Gemini. It takes any key and any model name.", args, func(f *flag.FlagSet) {
		f.StringVar(&listen, "listen", "127.0.0.1:8081", "address to listen on")
		f.Uint64Var(&seed, "seed", 0, "chooses words, ids and faults")
	})
	if err != nil {
		return err
	}
	sim, err := startSimulator(ctx, listen, simulator.Options{Seed: seed, Log: c.logger("text", slog.LevelInfo)})
	if err != nil {
		return err
	}
	host := strings.TrimSuffix(sim.url, "/v1")
	fmt.Fprintf(c.Stdout, "simulator: %s\n  OpenAI     %s\n  Anthropic  %s\n  Gemini     %s/v1beta\n  Vertex AI  %s (tokens: %s/token)\n",
		sim.url, sim.url, host, host, host, host)
	<-ctx.Done()
	return sim.stop()
}

// A runningSimulator is a simulator behind a listener of its own.
type runningSimulator struct {
	url    string // base URL of its OpenAI dialect as createProvider takes it
	vendor *simulator.Server
	http   *http.Server
	served chan error
}

func startSimulator(ctx context.Context, listen string, o simulator.Options) (*runningSimulator, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, listenError(listen, "--listen", err)
	}
	s := &runningSimulator{url: "http://" + l.Addr().String() + "/v1", vendor: simulator.New(o), served: make(chan error, 1)}
	s.http = &http.Server{Handler: s.vendor, ReadHeaderTimeout: 10 * time.Second}
	go func() { s.served <- s.http.Serve(l) }()
	return s, nil
}

func (s *runningSimulator) stop() error {
	s.vendor.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if serveErr := <-s.served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}
