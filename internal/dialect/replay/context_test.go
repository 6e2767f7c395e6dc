package replay_test

import (
	"slices"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// TestContextOfDocuments: what Anthropic's callers say about a document reaches the model or is reported.
func TestContextOfDocuments(t *testing.T) {
	t.Parallel()
	for _, source := range []string{`{"type":"text","media_type":"text/plain","data":"Plain."}`, `{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}`} {
		asked, err := named(llm.Anthropic).DecodeRequest([]byte(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","title":"T","context":"About it.","source":`+source+`}]}]}`), dialect.At{})
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range dialects {
			body, dropped, err := target.EncodeRequest(asked, dialect.Target{Model: models[target.Name()], Host: hosts[target.Name()]})
			if err != nil || strings.Contains(string(body), "About it.") == slices.Contains(dropped, llm.FieldDocument) {
				t.Errorf("%s: %v, dropped %s: %s", target.Name(), err, dropped, body)
			}
		}
	}
}
