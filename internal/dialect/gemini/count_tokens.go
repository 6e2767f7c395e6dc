package gemini

import (
	"errors"
	"fmt"
	"strconv"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// DecodeCount reads a caller's countTokens request: contents alone, or all of a request under generateContentRequest. The
// error is an *llm.RequestError.
func (d Dialect) DecodeCount(body []byte, at dialect.At) (*llm.Request, error) {
	var outer struct {
		GenerateContentRequest jsontext.Value `json:"generateContentRequest"`
	}
	if err := json.Unmarshal(body, &outer, fromCaller); err != nil {
		return nil, unreadable(err)
	}
	if !isNull(outer.GenerateContentRequest) {
		if at.Model == "" {
			scanned, err := d.Scan(body, at)
			if err != nil {
				return nil, err
			}
			at.Model = scanned.Facts().Model
		}
		body = outer.GenerateContentRequest
	}
	return d.DecodeRequest(body, at)
}

// EncodeCount writes a countTokens request for an upstream, and tells what of the request it cannot take. The Gemini API
// wants the request that is to be counted as a whole, Vertex AI those of its fields that count. The error is an
// *llm.RequestError.
func (Dialect) EncodeCount(r *llm.Request, t dialect.Target) (body []byte, dropped []llm.Field, err error) {
	e := newRequestEncoder(r, t)
	defer e.free()
	if err = e.encode(); err != nil {
		return nil, nil, err
	}
	if onVertex(t.Host) {
		e.out.ToolConfig, e.out.SafetySettings, e.out.ServiceTier, e.out.Labels, e.out.Unknown = nil, nil, "", nil, nil
		return e.write()
	}
	if body, dropped, err = e.write(); err != nil {
		return nil, nil, err
	}
	out := jsonwrite.String([]byte(`{"generateContentRequest":{"model":`), "models/"+t.Model)
	out = append(append(out, ','), body[1:]...) // a request has contents at least
	return append(out, '}'), dropped, nil
}

// DecodeCountResponse reads how many tokens an upstream counted. The error wraps dialect.ErrMalformed.
func (Dialect) DecodeCountResponse(body []byte) (int64, error) {
	var w struct {
		TotalTokens *integer `json:"totalTokens"`
	}
	err := json.Unmarshal(body, &w, fromUpstream)
	if err == nil && (w.TotalTokens == nil || *w.TotalTokens < 0) {
		err = errors.New("no totalTokens")
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	return int64(*w.TotalTokens), nil
}

// EncodeCountResponse writes how many tokens a request has.
func (Dialect) EncodeCountResponse(n int64) []byte {
	return append(strconv.AppendInt([]byte(`{"totalTokens":`), n, 10), '}')
}
