package simulator

import (
	"net/http"
	"strconv"

	"github.com/tidwall/gjson"
)

const (
	// benchModel answers with the same bytes every time, streams in one write, so that a benchmark measures what stands
	// in front and not the simulator. With any knob it is a model like the others.
	benchModel  = "sim-bench"
	benchTokens = 16
	benchPrompt = 16
)

// benchAnswers are rendered once: a body, and a stream without and with the usage chunk.
type benchAnswers struct {
	body, stream, streamUsage []byte
}

func (s *Server) renderBench() *benchAnswers {
	k := defaultKnobs()
	k.tokens = benchTokens
	sc := s.write(&ask{model: benchModel, choices: 1, prompt: []turn{{tokens: benchPrompt}}}, &k, 0)
	defer sc.release()
	v := newChatVoice(sc)
	v.usage = true
	stream := func(ask bool) []byte {
		v.ask = ask
		var b []byte
		for _, e := range sc.events {
			b = v.event(b, e)
		}
		return v.end(b)
	}
	return &benchAnswers{body: v.body(nil), stream: stream(false), streamUsage: stream(true)}
}

// playBench answers without looking at more of the request than whether to stream.
func (x *exchange) playBench() outcome {
	x.prompt = benchPrompt
	b := x.s.bench
	out, contentType := b.body, "application/json"
	var stream, ask bool
	gjson.ParseBytes(x.body).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "stream":
			stream = value.Bool()
		case "stream_options":
			ask = value.Get("include_usage").Bool()
		}
		return true
	})
	switch {
	case stream && ask:
		out, contentType = b.streamUsage, "text/event-stream; charset=utf-8"
	case stream:
		out, contentType = b.stream, "text/event-stream; charset=utf-8"
	default:
		x.w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	}
	x.w.Header().Set("Content-Type", contentType)
	x.w.WriteHeader(http.StatusOK)
	if _, err := x.w.Write(out); err != nil {
		return cancelled
	}
	x.sent = benchTokens
	return completed
}
