package proxy

import (
	"net/http"
	"strconv"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
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

func counting(name, path string, scan func(body []byte) (dialect.Scanned, error)) endpoint {
	e := endpoint{dialect: dialects[name], operation: upstream.CountTokens, path: path, scan: scan, beside: true, free: true,
		others: map[string]translator{}, estimate: estimateCount}
	for _, to := range []string{llm.Anthropic, llm.Gemini, llm.Responses} {
		_, decodes := dialects[name].(dialect.Counter)
		if target, counts := dialects[to].(dialect.Counter); counts && decodes {
			e.others[to] = count(target)
		}
	}
	return e
}

// count translates the question and the number that answers it.
func count(target dialect.Counter) translator {
	return func(c *call, w *way) error {
		caller := c.endpoint.dialect.(dialect.Counter) //nolint:forcetypeassert // counting looked
		request, err := caller.DecodeCount(c.body.bytes, c.at)
		if err != nil {
			return err
		}
		if err := w.locate(upstream.CountTokens); err != nil {
			return err
		}
		body, err := target.EncodeCount(request, dialect.Target{Model: w.route.UpstreamID, Host: w.route.Provider.BaseURL.Hostname()})
		if err != nil {
			return c.inWords(err)
		}
		w.body = [][]byte{body}
		w.reply = func(answer []byte) ([]byte, llm.Usage, error) {
			tokens, err := target.DecodeCountResponse(answer)
			if err != nil {
				return nil, llm.Usage{}, err
			}
			return caller.EncodeCountResponse(tokens), llm.Usage{}, nil
		}
		return nil
	}
}

// estimateCount is the gateway's own count, in the caller's dialect.
func estimateCount(c *call) []byte {
	tokens := c.promptCount()
	if caller, ok := c.endpoint.dialect.(dialect.Counter); ok {
		return caller.EncodeCountResponse(tokens)
	}
	name := "input_tokens"
	if c.endpoint.dialect.Name() == llm.Gemini {
		name = "totalTokens"
	}
	return []byte(`{"` + name + `":` + strconv.FormatInt(tokens, 10) + `}`)
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
