package replay_test

import (
	"slices"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// needs is what a request asks for, by what was read of it whole. It is how Scan is checked, which reads in passing.
func needs(r *llm.Request) llm.Needs {
	var n llm.Needs
	for i := range r.Messages {
		for j := range r.Messages[i].Blocks {
			b := &r.Messages[i].Blocks[j]
			n |= mediaNeeds(b)
			for k := range b.Content() {
				n |= mediaNeeds(&b.Content()[k])
			}
		}
	}
	for i := range r.Tools {
		if r.Tools[i].Vendor != "" {
			n |= llm.NeedDialect
		} else {
			n |= llm.NeedTools
		}
	}
	if slices.ContainsFunc(r.Bound, func(string) bool { return true }) || r.Extra["mcp_servers"] != nil || r.Extra["container"] != nil || r.Extra["cachedContent"] != nil {
		n |= llm.NeedDialect
	}
	if slices.Contains(r.Modalities, "audio") {
		n |= llm.NeedAudio
	}
	if r.Format.Mode != llm.FormatText {
		n |= llm.NeedStructured
	}
	if effort := effortOf(r.Reasoning); effort != "" && effort != "none" {
		n |= llm.NeedReasoning
	}
	return n
}

func mediaNeeds(b *llm.Block) llm.Needs {
	switch {
	case b.Kind != llm.Media:
	case b.Media.Kind == llm.Image:
		return llm.NeedVision
	case b.Media.Kind == llm.Audio:
		return llm.NeedAudio
	}
	return 0
}

// What a request needs, in the words of each dialect: Scan says what is expected, and what DecodeRequest reads is the same.
func TestNeeds(t *testing.T) {
	t.Parallel()
	const (
		chat     = `{"model":"m","messages":[{"role":"user","content":"hi"}]`
		response = `{"model":"m","input":"hi"`
		message  = `{"model":"m","max_tokens":9000,"messages":[{"role":"user","content":"hi"}]`
		generate = `{"contents":[{"parts":[{"text":"hi"}]}]`
	)
	for _, tt := range []struct{ dialect, body, want string }{
		{llm.OpenAI, chat + `}`, ""},
		{llm.OpenAI, `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}`, "vision"},
		{llm.OpenAI, `{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},{"type":"text","text":"input_audio"}]}]}`, "audio"},
		{llm.OpenAI, `{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA","filename":"a.pdf"}}]}]}`, ""},
		{llm.OpenAI, chat + `,"modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"}}`, "audio"},
		{llm.OpenAI, chat + `,"modalities":["text"]}`, ""},
		{llm.OpenAI, chat + `,"tools":[{"function":{"name":"f"},"type":"function"},{"type":"custom","custom":{"name":"g"}}]}`, "tools"},
		{llm.OpenAI, chat + `,"functions":[{"name":"f"}]}`, "tools"},
		{llm.OpenAI, chat + `,"tools":[]}`, ""},
		{llm.OpenAI, chat + `,"tools":[{"type":"web_search"}]}`, "dialect"},
		{llm.OpenAI, chat + `,"tools":[{"type":"web_search"},{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}`, "tools+dialect"},
		{llm.OpenAI, chat + `,"web_search_options":{}}`, "dialect"},
		{llm.OpenAI, chat + `,"web_search_options":null}`, ""},
		{llm.OpenAI, chat + `,"response_format":{"json_schema":{"name":"a","schema":{"type":"object"}},"type":"json_schema"}}`, "structured_output"},
		{llm.OpenAI, chat + `,"response_format":{"type":"json_object"}}`, "structured_output"},
		{llm.OpenAI, chat + `,"response_format":{"type":"text"}}`, ""},
		{llm.OpenAI, chat + `,"reasoning_effort":"low"}`, "reasoning"},
		{llm.OpenAI, chat + `,"reasoning_effort":"none"}`, ""},
		{llm.OpenAI, chat + `,"reasoning_effort":null}`, ""},
		{llm.OpenAI, chat + `,"reasoning":{"effort":"high"}}`, "reasoning"},
		{llm.OpenAI, chat + `,"reasoning":{"max_tokens":2000}}`, "reasoning"},
		{llm.OpenAI, chat + `,"thinking":{"type":"enabled"}}`, "reasoning"},
		{llm.OpenAI, chat + `,"thinking":{"type":"disabled"}}`, ""},
		{llm.OpenAI, chat + `,"enable_thinking":true}`, "reasoning"},
		{llm.OpenAI, chat + `,"enable_thinking":false}`, ""},
		{llm.Responses, response + `}`, ""},
		{llm.Responses, `{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"https://example.com/a.png"}]}]}`, "vision"},
		{llm.Responses, `{"model":"m","input":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]}`, "audio"},
		{llm.Responses, response + `,"tools":[{"type":"function","name":"f","parameters":{}},{"name":"g","type":"custom"},{"type":"local_shell"}]}`, "tools"},
		{llm.Responses, response + `,"tools":[{"type":"namespace","name":"n","tools":[{"type":"function","name":"f","parameters":{}}]}]}`, "tools"},
		{llm.Responses, response + `,"tools":[{"type":"web_search","filters":{"type":"function"}}]}`, "dialect"},
		{llm.Responses, response + `,"prompt":{"id":"p"}}`, "dialect"},
		{llm.Responses, response + `,"conversation":"conv_1"}`, "dialect"},
		{llm.Responses, response + `,"text":{"format":{"type":"json_schema","name":"a","schema":{"type":"object"}}}}`, "structured_output"},
		{llm.Responses, response + `,"text":{"format":{"type":"text"}}}`, ""},
		{llm.Responses, response + `,"reasoning":{"effort":"medium","summary":"auto"}}`, "reasoning"},
		{llm.Responses, response + `,"reasoning":{"effort":"none"}}`, ""},
		{llm.Anthropic, message + `}`, ""},
		{llm.Anthropic, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]}]}`, "vision"},
		{llm.Anthropic, message + `,"tools":[{"name":"f","input_schema":{"type":"object"}},{"type":"custom","name":"g","input_schema":{"type":"object"}}]}`, "tools"},
		{llm.Anthropic, message + `,"tools":[{"name":"web_search","type":"web_search_20250305"}]}`, "dialect"},
		{llm.Anthropic, message + `,"tools":[{"type":"web_search_20250305","name":"web_search"},{"name":"f","input_schema":{"type":"object"}}]}`, "tools+dialect"},
		{llm.Anthropic, message + `,"mcp_servers":[{"type":"url","url":"https://example.com","name":"x"}]}`, "dialect"},
		{llm.Anthropic, message + `,"container":"c"}`, "dialect"},
		{llm.Anthropic, message + `,"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}}`, "structured_output"},
		{llm.Anthropic, message + `,"output_format":{"type":"json_schema","schema":{"type":"object"}}}`, "structured_output"},
		{llm.Anthropic, message + `,"thinking":{"type":"enabled","budget_tokens":2000}}`, "reasoning"},
		{llm.Anthropic, message + `,"thinking":{"type":"adaptive"}}`, "reasoning"},
		{llm.Anthropic, message + `,"thinking":{"type":"disabled"}}`, ""},
		{llm.Gemini, generate + `}`, ""},
		{llm.Gemini, `{"contents":[{"parts":[{"inline_data":{"mime_type":"image/png","data":"AAAA"}}]}]}`, "vision"},
		{llm.Gemini, `{"contents":[{"parts":[{"fileData":{"mimeType":"audio/mp3","fileUri":"https://example.com/a"}}]}]}`, "audio"},
		{llm.Gemini, `{"contents":[{"parts":[{"inlineData":{"mimeType":"application/pdf","data":"AAAA"}}]}]}`, ""},
		{llm.Gemini, generate + `,"generationConfig":{"responseModalities":["AUDIO"]}}`, "audio"},
		{llm.Gemini, generate + `,"tools":[{"functionDeclarations":[{"name":"f"}]}]}`, "tools"},
		{llm.Gemini, generate + `,"tools":{"function_declarations":{"name":"f"}}}`, "tools"},
		{llm.Gemini, generate + `,"tools":[{"functionDeclarations":[]}]}`, ""},
		{llm.Gemini, generate + `,"tools":[{"google_search":{}},{"functionDeclarations":[{"name":"f"}]}]}`, "tools+dialect"},
		{llm.Gemini, generate + `,"cachedContent":"cachedContents/1"}`, "dialect"},
		{llm.Gemini, generate + `,"generationConfig":{"responseMimeType":"application/json"}}`, "structured_output"},
		{llm.Gemini, generate + `,"generationConfig":{"responseMimeType":"text/plain"}}`, ""},
		{llm.Gemini, generate + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":1024}}}`, "reasoning"},
		{llm.Gemini, generate + `,"generation_config":{"thinking_config":{"thinking_budget":"-1"}}}`, "reasoning"},
		{llm.Gemini, generate + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":0,"includeThoughts":true}}}`, ""},
		{llm.Gemini, generate + `,"generationConfig":{"thinkingConfig":{"thinkingLevel":"HIGH"}}}`, "reasoning"},
	} {
		at := dialect.At{}
		if tt.dialect == llm.Gemini {
			at.Model = "m"
		}
		scanned, err := named(tt.dialect).Scan([]byte(tt.body), at)
		if err != nil {
			t.Errorf("%s: %v", tt.body, err)
			continue
		}
		if got := scanned.Facts().Needs.String(); got != tt.want {
			t.Errorf("%s %s needs %q, want %q", tt.dialect, tt.body, got, tt.want)
		}
		read, err := named(tt.dialect).DecodeRequest([]byte(tt.body), at)
		if err != nil {
			t.Errorf("%s: %v", tt.body, err)
			continue
		}
		if got := needs(read).String(); got != tt.want {
			t.Errorf("%s %s was read to need %q, want %q", tt.dialect, tt.body, got, tt.want)
		}
	}
}

// Scan and DecodeRequest agree on what every recorded request needs.
func TestNeedsOfRecordedRequests(t *testing.T) {
	t.Parallel()
	met := map[llm.Needs]int{}
	for _, rec := range recordings(t) {
		if len(rec.Request) == 0 || rec.Request[0] != '{' || rec.Status != 200 {
			continue
		}
		scanned, err := rec.dialect.Scan(rec.Request, rec.at())
		if err != nil {
			t.Errorf("%s: %v", rec.file, err)
			continue
		}
		read, err := rec.dialect.DecodeRequest(rec.Request, rec.at())
		if err != nil {
			t.Errorf("%s: %v", rec.file, err)
			continue
		}
		got, want := scanned.Facts().Needs, needs(read)
		if got != want {
			t.Errorf("%s: scanned to need %q, read to need %q", rec.file, got, want)
		}
		for one := range got.All() {
			met[one]++
		}
	}
	for _, one := range []llm.Needs{llm.NeedVision, llm.NeedTools, llm.NeedStructured, llm.NeedReasoning, llm.NeedDialect} {
		if met[one] == 0 {
			t.Errorf("no recorded request needs %s", one)
		}
	}
}
