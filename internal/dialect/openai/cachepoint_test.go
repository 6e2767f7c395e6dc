package openai_test

import (
	"errors"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"
)

// TestCachePoints: Bedrock's cache markers stand behind what they mark.
func TestCachePoints(t *testing.T) {
	t.Parallel()
	const point = `{"cachePoint":{"type":"default","ttl":"1h"}}`
	const body = `{"model":"m","messages":[{"role":"system","content":[{"type":"text","text":"a"},` + point + `]},{"role":"user","content":[{"type":"text","text":"b"},` + point + `,{"type":"text","text":"c"}]},
		{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"d"},` + point + `]}],
		"tools":[{"type":"function","function":{"name":"f"}},` + point + `]}`
	r, err := openai.Dialect{}.DecodeRequest([]byte(body), dialect.At{})
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]*llm.Cache{"system": r.Messages[0].Blocks[0].Cache, "user": r.Messages[1].Blocks[0].Cache, "result": r.Messages[3].Blocks[0].Cache, "tool": r.Tools[0].Cache} {
		if got == nil || got.TTL != "1h" {
			t.Errorf("%s: marked as %v", what, got)
		}
	}
	if b := r.Messages[1].Blocks; len(b) != 2 || b[1].Cache != nil || len(r.Tools) != 1 || len(r.Extra) != 0 {
		t.Errorf("%+v", r)
	}
	for param, bad := range map[string]string{
		"messages[0].content[0].cachePoint": `{"model":"m","messages":[{"role":"user","content":[` + point + `]}]}`,
		"tools[0].cachePoint":               `{"model":"m","messages":[{"role":"user","content":"a"}],"tools":[` + point + `]}`,
	} {
		var refused *llm.RequestError
		if _, err := (openai.Dialect{}).DecodeRequest([]byte(bad), dialect.At{}); !errors.As(err, &refused) || refused.Param != param {
			t.Errorf("%s: %v", param, err)
		}
	}
}
