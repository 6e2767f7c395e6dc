package simulator

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// vendor is what a dialect tells apart in every endpoint.
type vendor interface {
	// key reads the caller's credential.
	key(r *http.Request) string
	// model reads the model's name, which may be missing from a body that is not valid.
	model(r *http.Request, body []byte) string
	// header sets what every answer carries.
	header(h http.Header, x *exchange)
	// fail answers with an error in the vendor's shape.
	fail(w http.ResponseWriter, f failure)
}

// failure is an error answer before it is put into the words of a dialect. Kind and code may be empty.
type failure struct {
	status            int
	kind, code, param string
	message           string
	retryAfter        time.Duration
	model, key        string // what the message may speak of
}

// exchange is one request to a model on its way.
type exchange struct {
	s      *Server
	w      http.ResponseWriter
	rc     *http.ResponseController
	r      *http.Request
	vendor vendor
	knobs  knobs
	model  string // without knobs
	key    string
	body   []byte
	number uint64 // of the request, from one
	start  time.Time

	streamType string // content type of streams
	crlf       bool   // line ends of streams

	buf    []byte // what is being rendered
	prompt int    // tokens of the request
	sent   int    // tokens of the answer that were written
	parts  usage  // what of the prompt was cached and of the answer is reasoning, where these are told apart
	drop   bool   // the connection is to be closed without a proper end
}

var bufferPool = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// endpoint wraps what is the same for every request to a model: key, knobs, faults, counts.
func (s *Server) endpoint(v vendor, answer func(*exchange) outcome) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		in := bufferPool.Get().(*bytes.Buffer)
		in.Reset()
		defer bufferPool.Put(in)
		if n := r.ContentLength; n > 0 && n <= maxBody {
			in.Grow(int(n) + bytes.MinRead)
		}
		_, readErr := in.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
		x := &exchange{s: s, w: w, rc: http.NewResponseController(w), r: r, vendor: v, body: in.Bytes(), start: time.Now(),
			streamType: eventStream}
		name := v.model(r, x.body)
		model, spec := splitModel(name)
		x.model, x.key = model, v.key(r)
		all, same := s.ledger.begin(model, name)
		x.number = all
		how := failed
		defer func() {
			took := x.parts
			took.prompt, took.completion = x.prompt, x.sent
			s.ledger.end(model, how, took)
			s.log.Debug("simulator: request", "model", name, "outcome", how, "sent", x.sent, "duration", time.Since(x.start))
			if x.drop {
				panic(http.ErrAbortHandler) // closes the connection without an end
			}
		}()
		if s.onRequest != nil {
			s.onRequest(r, x.body)
		}
		v.header(w.Header(), x)
		if readErr != nil {
			v.fail(w, failure{status: http.StatusBadRequest, message: "The request body could not be read."})
			return
		}
		if x.key == "" || x.key == invalidKey {
			v.fail(w, failure{status: http.StatusUnauthorized, key: x.key})
			return
		}
		var err error
		if x.knobs, err = s.steer(r, model, spec, x.key); err != nil {
			v.fail(w, failure{status: http.StatusBadRequest, param: "model", message: err.Error()})
			return
		}
		if !x.wait(x.knobs.latency) {
			how = cancelled
			return
		}
		if x.faulty(same) {
			return
		}
		how = answer(x)
	}
}

// faulty answers with the error that the knobs ask for, if this request is one of those that get it.
func (x *exchange) faulty(same uint64) bool {
	k := &x.knobs
	if k.status == 0 {
		return false
	}
	draw := float64(mix(x.s.seed, k.seed, 4, same)>>11) / (1 << 53)
	if draw >= k.errorRate {
		return false
	}
	if k.status == statusDrop {
		x.drop = true
		return true
	}
	x.vendor.fail(x.w, failure{status: k.status, code: k.errorCode, retryAfter: k.retryAfter,
		model: x.model, key: x.key})
	return true
}

// wait returns false where the client or the server went away meanwhile.
func (x *exchange) wait(d time.Duration) bool {
	if d <= 0 {
		return x.r.Context().Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.r.Context().Done():
	case <-x.s.done:
		x.drop = true
	}
	return false
}

// waitTokens waits until n tokens are due, counted from a start, so that time spent elsewhere does not add up.
func (x *exchange) waitTokens(from time.Time, n int) bool {
	if x.knobs.tps <= 0 {
		return x.r.Context().Err() == nil
	}
	due := from.Add(time.Duration(float64(n) / x.knobs.tps * float64(time.Second)))
	return x.wait(time.Until(due))
}

// stall says nothing until the client or the server goes away.
func (x *exchange) stall() outcome {
	select {
	case <-x.r.Context().Done():
		return cancelled
	case <-x.s.done:
		x.drop = true
		return failed
	}
}

// send writes and flushes, in pieces where the knobs say so.
func (x *exchange) send(p []byte) bool {
	size := x.knobs.split
	if size == 0 {
		size = len(p)
	}
	for len(p) > 0 {
		n := min(size, len(p))
		if _, err := x.w.Write(p[:n]); err != nil {
			return false
		}
		if err := x.rc.Flush(); err != nil {
			return false
		}
		p = p[n:]
	}
	return true
}

// reply sends a whole JSON body, or what the knobs leave of it.
func (x *exchange) reply(body []byte) outcome {
	k := &x.knobs
	if k.malformed > 0 {
		body = body[:len(body)*2/3]
	}
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(http.StatusOK)
	if k.cut != unset {
		x.send(body[:min(k.cut, len(body)-1)])
		x.drop = true
		return failed
	}
	if k.stall != unset {
		if !x.send(body[:min(k.stall, len(body)-1)]) {
			return cancelled
		}
		return x.stall()
	}
	if !x.send(body) {
		return cancelled
	}
	if k.malformed > 0 {
		return failed
	}
	return completed
}
