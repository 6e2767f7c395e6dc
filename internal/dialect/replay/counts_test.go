package replay_test

import (
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

// TestWhatIsCounted: likelihoods of tokens, answers side by side and counts by modality, which no recording has in full,
// from every vendor that has them to every caller who can read them, whole and streamed.
func TestWhatIsCounted(t *testing.T) {
	t.Parallel()
	prob := func(token string, p float64) llm.Logprob {
		return llm.Logprob{Token: token, Bytes: []byte(token), Logprob: p, Top: []llm.Logprob{{Token: token, Bytes: []byte(token), Logprob: p}, {Token: "x", Bytes: []byte("x"), Logprob: -4}}}
	}
	one := llm.Candidate{Finish: llm.FinishStop, Blocks: []llm.Block{{Kind: llm.Text, Text: "aé"}}, Logprobs: []llm.Logprob{prob("a", -0.5), prob("é", -1)}}
	two := llm.Candidate{Index: 1, Finish: llm.FinishLength, Blocks: []llm.Block{{Kind: llm.Text, Text: "b"}}, Logprobs: []llm.Logprob{prob("b", -2)}}
	plain := llm.Usage{Input: 70, CachedInput: 30, Output: 50, Reasoning: 20}
	heard := plain
	heard.AudioInput, heard.AudioOutput, heard.ImageInput = 10, 5, 7

	for _, tt := range []struct {
		name    string
		among   []string
		answers []llm.Candidate
		usage   llm.Usage
	}{
		{"likelihoods", []string{llm.OpenAI, llm.Responses, llm.Gemini}, []llm.Candidate{one}, plain},
		{"answers side by side", []string{llm.OpenAI, llm.Gemini}, []llm.Candidate{one, two}, plain},
		{"modalities", []string{llm.OpenAI, llm.Gemini}, []llm.Candidate{one}, heard},
	} {
		for _, vendor := range tt.among {
			for _, caller := range tt.among {
				from, to := named(vendor), named(caller)
				r := &llm.Response{ID: "i", Model: "m", Created: 1, HasUsage: true, Usage: tt.usage, Candidates: tt.answers}
				whole, err := from.DecodeResponse(from.EncodeResponse(r, counting()))
				if err == nil {
					whole, err = to.DecodeResponse(to.EncodeResponse(whole, counting()))
				}
				if err != nil {
					t.Fatal(err)
				}
				sent := tell(from, streamed(t, from, r, counting()), 1, to.Encoder(counting()))
				got := tell(to, string(sent.out), 7, nil)
				if !got.whole || got.err != nil || got.form != nil {
					t.Fatalf("%s from %s to %s: %+v", tt.name, vendor, caller, got)
				}
				for how, answer := range map[string]*llm.Response{"whole": whole, "streamed": got.answer} {
					if diff := cmp.Diff(counted(r), counted(answer)); diff != "" {
						t.Errorf("%s from %s to %s, %s (-want +got):\n%s", tt.name, vendor, caller, how, diff)
					}
				}
			}
		}
	}
}

// counting asks for all that can be counted.
func counting() *llm.Request {
	return &llm.Request{Model: "m", Logprobs: true, TopLogprobs: 2, IncludeUsage: true}
}

// counted is what the test is about, but for the bytes of tokens, which Gemini does not tell.
func counted(r *llm.Response) *llm.Response {
	c := &llm.Response{Usage: r.Usage}
	for _, a := range r.Candidates {
		n := llm.Candidate{Index: a.Index, Finish: a.Finish}
		for _, b := range a.Blocks {
			n.Blocks = append(n.Blocks, llm.Block{Kind: b.Kind, Text: b.Text})
		}
		for _, p := range a.Logprobs {
			p.Bytes = nil
			top := p.Top
			p.Top = nil
			for _, o := range top {
				o.Bytes = nil
				p.Top = append(p.Top, o)
			}
			n.Logprobs = append(n.Logprobs, p)
		}
		c.Candidates = append(c.Candidates, n)
	}
	return c
}

// streamed is an answer as a stream of a dialect, for who asked with a request.
func streamed(t *testing.T, d dialect.Dialect, r *llm.Response, to *llm.Request) string {
	t.Helper()
	e := d.Encoder(to)
	var out []byte
	if err := r.Events(func(ev *llm.Event) (err error) {
		out, err = e.Append(out, ev)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return string(e.AppendEnd(out))
}
