package simulator

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	maxBody = 128 << 20
	maxSpec = 4 << 10

	invalidKey = "sk-sim-invalid"
)

// Options of a Server. The zero value is fine.
type Options struct {
	// Seed chooses words, ids and faults.
	Seed uint64
	// Log gets a line at level debug for each request; nothing by default.
	Log *slog.Logger
	// Now is the clock of the "created" fields; time.Now by default. Waits use the real clock.
	Now func() time.Time
	// OnRequest sees every request to a model with its body before it is answered, so that tests can hold what arrived
	// against what was sent. The body is valid during the call only. Calls come from many goroutines.
	OnRequest func(r *http.Request, body []byte)
}

// Server is a fake vendor. It is an http.Handler; its base URL for SDKs is the listener's with /v1 behind.
type Server struct {
	seed      uint64
	log       *slog.Logger
	now       func() time.Time
	onRequest func(*http.Request, []byte)

	mux    *http.ServeMux
	ledger *ledger
	cache  promptCache
	store  responseStore
	bench  *benchAnswers

	faultMu sync.RWMutex
	fault   string // knobs that hold for every request

	closing sync.Once
	done    chan struct{}
}

// New returns a server that is ready to answer.
func New(o Options) *Server {
	s := &Server{
		seed:      o.Seed,
		log:       o.Log,
		now:       o.Now,
		onRequest: o.OnRequest,
		mux:       http.NewServeMux(),
		ledger:    newLedger(),
		done:      make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.bench = s.renderBench()
	s.routeOpenAI()
	s.routeSide()
	s.routeResponses()
	s.routeAnthropic()
	s.routeGemini()
	s.routeVertex()
	s.mux.HandleFunc("GET /sim/stats", s.serveStats)
	s.mux.HandleFunc("POST /sim/fault", s.serveSetFault)
	s.mux.HandleFunc("DELETE /sim/fault", s.serveClearFault)
	return s
}

// ServeHTTP answers as the vendor would.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close ends all waits, so that stalled and slow answers break off and a graceful shutdown has nothing to wait for.
func (s *Server) Close() { s.closing.Do(func() { close(s.done) }) }

// SetFault makes every request behave by these knobs ("error=503&retry_after=1") wherever it does not say otherwise. An
// empty specification ends that.
func (s *Server) SetFault(spec string) error {
	k := defaultKnobs()
	if err := k.apply(spec); err != nil {
		return err
	}
	s.faultMu.Lock()
	s.fault = spec
	s.faultMu.Unlock()
	return nil
}

func (s *Server) currentFault() string {
	s.faultMu.RLock()
	defer s.faultMu.RUnlock()
	return s.fault
}

func (s *Server) serveStats(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(s.Stats()); err != nil {
		s.log.Debug("simulator: stats not written", "err", err)
	}
}

func (s *Server) serveSetFault(w http.ResponseWriter, r *http.Request) {
	spec, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSpec))
	if err == nil {
		err = s.SetFault(strings.TrimSpace(string(spec)))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) serveClearFault(w http.ResponseWriter, _ *http.Request) {
	s.faultMu.Lock()
	s.fault = ""
	s.faultMu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// steer collects the knobs of a request: the model's preset, the run-time fault, the key's, the model name's, the
// headers', each winning over those before.
func (s *Server) steer(r *http.Request, model, spec, key string) (knobs, error) {
	k := defaultKnobs()
	if err := k.apply(presets[model]); err != nil {
		return k, err
	}
	if err := k.apply(s.currentFault()); err != nil {
		return k, err
	}
	k.applyKey(key)
	return k, errors.Join(k.apply(spec), k.applyHeader(r.Header))
}
