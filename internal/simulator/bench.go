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

// benchAnswer is rendered once: a body, and a stream without and with the usage that chat sends on demand only.
type benchAnswer struct {
	body, stream, streamUsage []byte
	array                     bool // the stream is a JSON array
}

// benchAnswers are those of all dialects.
type benchAnswers struct {
	chat, anthropic, responses, gemini, geminiArray *benchAnswer
}

func (s *Server) renderBench() *benchAnswers {
	k := defaultKnobs()
	k.tokens = benchTokens
	sc := s.write(&ask{model: benchModel, choices: 1, prompt: []turn{{tokens: benchPrompt}}}, &k, 0)
	defer sc.release()
	chat := newChatVoice(sc)
	chat.usage = true
	answers := &benchAnswers{chat: &benchAnswer{body: chat.body(nil), stream: renderStream(sc, chat)}}
	chat.ask = true
	answers.chat.streamUsage = renderStream(sc, chat)
	answers.anthropic = renderBoth(sc, func() voice {
		v := newMessagesVoice(s, sc)
		v.usage = true
		return v
	})
	answers.responses = renderBoth(sc, func() voice {
		v := newResponsesVoice(s, sc, &responsesRequest{})
		v.usage = true
		return v
	})
	for _, array := range []bool{false, true} {
		a := renderBoth(sc, func() voice {
			v := newGeminiVoice(s, sc, array)
			v.usage = true
			return v
		})
		a.array = array
		if array {
			answers.geminiArray = a
		} else {
			answers.gemini = a
		}
	}
	return answers
}

// renderBoth renders an answer in a dialect whose voices are good for one rendering.
func renderBoth(sc *script, voice func() voice) *benchAnswer {
	a := &benchAnswer{body: voice().body(nil), stream: renderStream(sc, voice())}
	a.streamUsage = a.stream
	return a
}

func renderStream(sc *script, v voice) []byte {
	var b, one []byte
	for _, e := range sc.events {
		one = v.event(one[:0], e)
		b = append(b, one...)
	}
	return append(b, v.end(one[:0])...)
}

// benched tells whether the request gets the fixed answer.
func (x *exchange) benched() bool { return x.model == benchModel && x.knobs == defaultKnobs() }

// benchStream reads of a chat request whether to stream, and whether with usage.
func benchStream(body []byte) (stream, ask bool) {
	gjson.ParseBytes(body).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "stream":
			stream = value.Bool()
		case "stream_options":
			ask = value.Get("include_usage").Bool()
		}
		return true
	})
	return stream, ask
}

// playBench answers without looking at more of the request than whether to stream.
func (x *exchange) playBench(b *benchAnswer, stream, usage bool) outcome {
	x.prompt = benchPrompt
	out, contentType := b.body, "application/json"
	switch {
	case stream && usage:
		out = b.streamUsage
	case stream:
		out = b.stream
	default:
		x.w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	}
	if stream && !b.array {
		contentType = eventStream
	}
	x.w.Header().Set("Content-Type", contentType)
	x.w.WriteHeader(http.StatusOK)
	if _, err := x.w.Write(out); err != nil {
		return cancelled
	}
	x.sent = benchTokens
	return completed
}
