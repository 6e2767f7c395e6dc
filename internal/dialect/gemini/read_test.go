package gemini

import (
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

// FuzzReadContents holds that contents that are read by hand are read as package json reads them.
func FuzzReadContents(f *testing.F) {
	for _, text := range []string{
		`[]`, `[{}]`, `[{"role":"user","parts":[{"text":"a\n\"b\""}]},{"parts":[]}]`,
		`[{"role":"model","parts":[{"functionCall":{"id":"1","name":"f","args":{"a" : 1}},"thoughtSignature":"c2ln"},{"text":"","thought":true}]}]`,
		`[{"role":"tool","parts":[{"functionResponse":{"name":"f","response":{"output":"x"}}},{"thought":false,"inlineData":{"data":""}}]}]`,
		`[{"parts":{"text":"alone"}}]`, `[{"parts":[{"Text":"a"}]}]`, `[{"parts":[{"text":null}],"role":null}]`, `[{"p\u0061rts":[]}]`, `[{"parts":[{"text":7}]}]`, `[7]`, `null`,
	} {
		f.Add(`{"contents":` + text + `}`)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var got, want wireRequest
		if json.Unmarshal([]byte(body), &got, fromPlainCaller) != nil {
			return
		}
		if err := json.Unmarshal([]byte(body), &want, fromCaller); err != nil {
			t.Fatalf("%s was read by hand alone: %v", body, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	})
}
