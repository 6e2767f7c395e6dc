package proxy

import (
	"net/http"
	"strconv"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
)

// Counts are free at all vendors. OpenAI's chat dialect has none: OpenAI's own endpoint counts for the Responses API, and
// those who are compatible with it have neither, so a model of theirs is estimated.
var (
	countMessageTokens = counting(llm.Anthropic, "/messages/count_tokens", anthropic.Dialect{}.ScanCount)
	countGeminiTokens  = counting(llm.Gemini, "/models/{model}:countTokens", nil)
)

// A counter is how a dialect counts. Decode and write are nil in the one that only upstreams speak here.
type counter struct {
	decode func(body []byte, at dialect.At) (*llm.Request, error)
	encode func(r *llm.Request, t dialect.Target) ([]byte, []llm.Field, error)
	read   func(body []byte) (int64, error)
	write  func(tokens int64) []byte
}

var counters = map[string]counter{
	llm.Anthropic: {
		decode: func(body []byte, _ dialect.At) (*llm.Request, error) { return anthropic.Dialect{}.DecodeCount(body) },
		encode: anthropic.Dialect{}.EncodeCount, read: anthropic.Dialect{}.DecodeCountResponse, write: anthropic.Dialect{}.EncodeCountResponse,
	},
	llm.Gemini: {
		decode: gemini.Dialect{}.DecodeCount,
		encode: gemini.Dialect{}.EncodeCount, read: gemini.Dialect{}.DecodeCountResponse, write: gemini.Dialect{}.EncodeCountResponse,
	},
	llm.Responses: {encode: responses.EncodeCount, read: responses.DecodeCountResponse},
}

func counting(name, path string, scan func(body []byte) (dialect.Scanned, error)) endpoint {
	e := endpoint{dialect: dialects[name], operation: upstream.CountTokens, path: path, scan: scan, beside: true, free: true,
		others: map[string]translator{}, estimate: func(c *call) []byte { return counters[name].write(c.promptCount()) }}
	for to := range counters {
		e.others[to] = count(counters[name], counters[to])
	}
	return e
}

// count translates the question and the number that answers it. What is left out is told as with the call that is counted:
// a document or a tool that the target cannot take is not in the number.
func count(from, to counter) translator {
	return func(c *call, w *way) error {
		request, err := from.decode(c.body.bytes, c.at)
		if err != nil {
			return err
		}
		if err := w.locate(upstream.CountTokens); err != nil {
			return err
		}
		body, dropped, err := to.encode(request, dialect.Target{Model: w.route.UpstreamID, Host: w.route.Provider.BaseURL.Hostname()})
		if err != nil {
			return c.inWords(err)
		}
		if err := c.tolerates(dropped); err != nil {
			return err
		}
		w.body, w.dropped = [][]byte{body}, c.worded(dropped)
		w.reply = func(answer []byte, _ func([]byte) ([]byte, error)) ([]byte, llm.Usage, error) {
			tokens, err := to.read(answer)
			if err != nil {
				return nil, llm.Usage{}, err
			}
			return from.write(tokens), llm.Usage{}, nil
		}
		return nil
	}
}

// estimated answers with the gateway's own estimate, and says that it is one.
func (c *call) estimated() {
	body := c.endpoint.estimate(c)
	if !c.settle(usage.OK, http.StatusOK, "") {
		c.fail(c.unbooked())
		return
	}
	c.answer.body()
	c.answer.commit(http.StatusOK, func(h http.Header) {
		h["Content-Type"] = jsonType
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
		h["X-Aihigress-Estimated"] = []string{"true"}
	})
	_ = c.answer.write(body, false) // booked either way
}
