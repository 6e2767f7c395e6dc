package replay_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"
)

// FuzzErrors reads any body as a failure of any vendor. It reaches callers of each dialect as an error, whole and as the
// event that ends a stream, with its message.
func FuzzErrors(f *testing.F) {
	for i, d := range dialects {
		for _, failure := range failures {
			if failure.from == d.Name() {
				f.Add(byte(i), failure.status, failure.body)
			}
		}
	}
	f.Add(byte(0), 502, `<html>Bad gateway</html>`)
	f.Add(byte(2), 500, `[{"error":"x"}]`)
	f.Fuzz(func(t *testing.T, selector byte, status int, body string) {
		from := dialects[selector&3]
		e := from.DecodeError(status, []byte(body))
		if e.Origin != from.Name() {
			t.Fatalf("%+v is of %q, not of %q", e, e.Origin, from.Name())
		}
		for _, to := range dialects {
			out := to.EncodeError(e)
			if !json.Valid(out) {
				t.Fatalf("%s: %+v became %q", to.Name(), e, out)
			}
			event := string(to.AppendErrorEvent(nil, e))
			got := tell(to, event, len(event)+1, nil)
			if got.failed == nil || got.err != nil || got.form != nil {
				t.Fatalf("%s: %+v became %q, which is read as %+v, %v, %v", to.Name(), e, event, got.failed, got.err, got.form)
			}
			if again := to.DecodeError(e.HTTPStatus(), out); strings.ToValidUTF8(again.Message, "") != strings.ToValidUTF8(got.failed.Message, "") {
				t.Fatalf("%s: the body says %q, the event %q", to.Name(), again.Message, got.failed.Message)
			}
		}
	})
}

// FuzzBody lets any body of any vendor pass by, whole and in pieces: what is seen of it is the same.
func FuzzBody(f *testing.F) {
	for i, d := range dialects {
		for _, stream := range written(d.Name()) {
			if answer := tell(d, stream, len(stream), nil).answer; answer != nil {
				f.Add(byte(i), byte(7), string(d.EncodeResponse(answer, asked(d.Name()))))
			}
		}
		f.Add(byte(i), byte(1), string(d.EncodeError(&llm.Error{Status: 500, Message: "x"})))
	}
	f.Fuzz(func(t *testing.T, selector, n byte, body string) {
		d := dialects[selector&3]
		whole, err := passes(d, body, len(body)+1)
		parts, errParts := passes(d, body, int(n)+1)
		if (err == nil) != (errParts == nil) || err == nil && whole != parts {
			t.Fatalf("%s: %v, %s\n%d bytes at a time: %v, %s", d.Name(), err, whole, n+1, errParts, parts)
		}
		if err != nil && !errors.Is(err, dialect.ErrMalformed) {
			t.Fatalf("%s: %v", d.Name(), err)
		}
	})
}

// passes shows a body to a watch, n bytes at a time, and tells what it saw.
func passes(d dialect.Dialect, body string, n int) (string, error) {
	var text bytes.Buffer
	watch := d.Watch(func(part []byte) { text.Write(part) })
	if _, err := io.Copy(struct{ io.Writer }{watch}, pieces{strings.NewReader(body), n}); err != nil {
		return "", err
	}
	if err := watch.End(); err != nil {
		return "", err
	}
	usage, credible := watch.Usage()
	return fmt.Sprintf("%q, %+v %v, odd %v, id %q, %+v", text.String(), usage, credible, watch.OddUsage(), watch.ResponseID(), watch.Error()), nil
}

// FuzzBeside reads any body as what there is beside generation: legacy completions, requests for pictures and the answers
// to them, counts of tokens.
func FuzzBeside(f *testing.F) {
	for _, body := range []string{
		`{"model":"m","prompt":["a"],"logprobs":2,"best_of":1,"stop":["x"]}`,
		`{"model":"m","prompt":"a hat","n":2,"size":"1024x1536","images":[{"image_url":"data:image/png;base64,AAAA"}]}`,
		`{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1}}`,
		`{"predictions":[{"mimeType":"image/png","bytesBase64Encoded":"AAAA"},{"raiFilteredReason":"x"}]}`,
		`{"input_tokens":7,"totalTokens":7}`,
		`{"generateContentRequest":{"model":"models/m","contents":[{"parts":[{"text":"a"}]}]}}`,
		`{"model":"m","messages":[{"role":"user","content":"a"}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := (openai.Completions{}).DecodeRequest(body, dialect.At{}); readable400(t, body, err) {
			for _, to := range dialects {
				out, _, err := to.EncodeRequest(r, dialect.Target{Model: "m"})
				valid400(t, body, out, err)
			}
		}
		if r, err := (openai.Images{}).Decode(body, dialect.At{}); readable400(t, body, err) {
			for _, model := range []string{"imagen-4", "gemini-image"} {
				out, _, err := gemini.Images{}.Encode(r, dialect.Target{Model: model})
				valid400(t, body, out, err)
			}
		}
		for _, model := range []string{"imagen-4", "gemini-image"} {
			if r, err := (gemini.Images{}).DecodeResponse(body, dialect.Target{Model: model}); err == nil {
				valid400(t, body, openai.Images{}.EncodeResponse(r, nil), nil)
			}
		}
		fromAnthropic, err := anthropic.Dialect{}.DecodeCount(body)
		counts(t, body, fromAnthropic, err)
		fromGemini, err := gemini.Dialect{}.DecodeCount(body, dialect.At{Model: "m"})
		counts(t, body, fromGemini, err)
		for _, read := range []func([]byte) (int64, error){anthropic.Dialect{}.DecodeCountResponse, gemini.Dialect{}.DecodeCountResponse, responses.DecodeCountResponse} {
			if n, err := read(body); err == nil && n < 0 {
				t.Fatalf("%q has %d tokens", body, n)
			}
		}
	})
}

// counts writes a question for a count in each dialect that has one.
func counts(t *testing.T, body []byte, r *llm.Request, err error) {
	if !readable400(t, body, err) {
		return
	}
	for _, encode := range []func(*llm.Request, dialect.Target) ([]byte, []llm.Field, error){
		anthropic.Dialect{}.EncodeCount, gemini.Dialect{}.EncodeCount, responses.EncodeCount,
	} {
		out, _, err := encode(r, dialect.Target{Model: "m"})
		valid400(t, body, out, err)
	}
}

// readable400 reports whether a request was read, and holds that its caller can be told why where it was not.
func readable400(t *testing.T, body []byte, err error) bool {
	if _, ok := errors.AsType[*llm.RequestError](err); err != nil && !ok {
		t.Fatalf("%q: %v is nothing for a caller", body, err)
	}
	return err == nil
}

// valid400 holds that what was written is JSON, or that the caller can be told why there is nothing.
func valid400(t *testing.T, body, out []byte, err error) {
	if readable400(t, body, err) && !json.Valid(out) {
		t.Fatalf("%q became %q", body, out)
	}
}
