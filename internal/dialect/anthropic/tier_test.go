package anthropic_test

import (
	"testing"

	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/llm"
)

// TestTier: the class of service stands in the usage of an answer, in any of the forms that relays give it.
func TestTier(t *testing.T) {
	t.Parallel()
	for usage, want := range map[string]string{
		`{"input_tokens":1,"service_tier":"standard"}`:                       "standard",
		`{"service_tier":"prio\u0072ity","output_tokens":1}`:                 "priority",
		`{"service_tier":"batch","service_tier":"something of later times"}`: "something of later times",
		`{"service_tier":"batch","service_tier":null}`:                       "",
		`{"input_tokens":1,"service_tier":null}`:                             "",
		`{"cache_creation":{"service_tier":"batch"},"service_tier":5}`:       "",
		`{"input_tokens":1}`: "",
		`[]`:                 "",
		`null`:               "",
	} {
		r, err := anthropic.Dialect{}.DecodeResponse([]byte(`{"type":"message","id":"m","model":"c","content":[],"stop_reason":"end_turn","usage":` + usage + `}`))
		if err != nil || r.ServiceTier != want {
			t.Errorf("a whole answer with %s has the tier %q, want %q, %v", usage, r.ServiceTier, want, err)
		}
		got := "none was told"
		_, err = anthropic.Dialect{}.Decoder().Decode([]byte(`{"type":"message_start","message":{"id":"m","usage":`+usage+`}}`), func(e *llm.Event) error {
			got = e.ServiceTier
			return nil
		})
		if err != nil || got != want {
			t.Errorf("a stream with %s has the tier %q, want %q, %v", usage, got, want, err)
		}
	}
}
