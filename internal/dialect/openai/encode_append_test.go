package openai

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// MarshalJSONTo implements json.MarshalerTo, for what is written by hand to be held against.
func (c content) MarshalJSONTo(e *jsontext.Encoder) error {
	switch {
	case c.parts != nil:
		return json.MarshalEncode(e, c.parts)
	case c.set:
		return e.WriteToken(jsontext.String(c.text))
	}
	return e.WriteToken(jsontext.Null)
}

// MarshalJSONTo implements json.MarshalerTo, for the same.
func (l list[T]) MarshalJSONTo(e *jsontext.Encoder) error { return json.MarshalEncode(e, l.all) }

// settingsOf sets each field that stands behind the messages to a few values.
var settingsOf = func() (all []request) {
	samples := []any{
		jsontext.Value(`{"a": [1.50, "\u00e9\/"]}`), pointer(true), pointer(false), true, &streamOptions{IncludeUsage: true}, pointer(integer(7)), pointer(integer(-1)), texts{"a\n", "b"}, texts{},
		pointer(0.0), pointer(math.Copysign(0, -1)), pointer(0.1), pointer(-1.5), pointer(1e21), pointer(123456789e12), pointer(1e-6), pointer(9.9e-7), []string{"text"}, "w\"ord", map[string]string{"b": "1", "a": "\xff"},
		&toolChoice{Word: "auto"}, &toolChoice{Type: "function", Name: "f"}, &responseFormat{Type: "json_schema", JSONSchema: &jsonSchema{Name: "n", Schema: jsontext.Value(`{ }`)}},
		&audioOut{Voice: "v"}, &reasoning{Effort: "low"}, &thinking{Type: "enabled", Clear: pointer(false)}, &cacheControl{Type: "ephemeral", TTL: "1h"},
		map[string]jsontext.Value{"z": jsontext.Value(`{ "a":{}}`), "b": jsontext.Value(`1`)},
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[request]()) {
		switch f.Name {
		case "Messages", "Tools": // are written elsewhere
			continue
		case "Functions", "FunctionCall": // are read only
			continue
		}
		before := len(all)
		for _, sample := range samples {
			if v := reflect.ValueOf(sample); v.Type() == f.Type {
				var w request
				reflect.ValueOf(&w).Elem().FieldByIndex(f.Index).Set(v)
				all = append(all, w)
			}
		}
		if len(all) == before {
			panic(f.Name + " has no sample")
		}
	}
	return all
}()

// What is written by hand is what reflection would write.
func TestSettingsAreWrittenAsByReflection(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w request
		to := reflect.ValueOf(&w).Elem()
		for _, one := range rapid.SliceOfN(rapid.SampledFrom(settingsOf), 1, 8).Draw(t, "settings") {
			for i, from := 0, reflect.ValueOf(one); i < to.NumField(); i++ {
				if !from.Field(i).IsZero() {
					to.Field(i).Set(from.Field(i))
				}
			}
		}
		want, err := json.Marshal(&w, jsonOut)
		if err != nil {
			t.Fatal(err)
		}
		e := requestEncoder{out: w, b: []byte("{")}
		e.text("model", w.Model)
		if got, err := e.body(); err != nil || string(got) != string(want) {
			t.Fatalf("%s, %v, want\n%s", got, err, want)
		}
	})
}

// Messages and tools are written as reflection writes them, whoever the vendor is: reading a body and writing it so changes
// nothing.
func TestMessagesAreWrittenAsByReflection(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := &llm.Request{Model: "m"}
		for range rapid.IntRange(1, 4).Draw(t, "messages") {
			m := llm.Message{Role: rapid.SampledFrom([]llm.Role{llm.System, llm.Developer, llm.User, llm.Assistant, llm.Assistant}).Draw(t, "role"), Name: rapid.SampledFrom([]string{"", "", "n"}).Draw(t, "name")}
			for range rapid.IntRange(0, 3).Draw(t, "blocks") {
				m.Blocks = append(m.Blocks, drawBlock(t, m.Role == llm.User))
			}
			r.Messages = append(r.Messages, m)
		}
		for range rapid.IntRange(0, 2).Draw(t, "tools") {
			r.Tools = append(r.Tools, drawTool(t))
		}
		host := strings.TrimPrefix(rapid.SampledFrom(append([]vendor{{hosts: []string{""}}}, vendors...)).Draw(t, "vendor").hosts[0], ".")
		body, _, err := Dialect{}.EncodeRequest(r, dialect.Target{Model: rapid.SampledFrom([]string{"m", "gpt-5.6"}).Draw(t, "model"), Host: host})
		if err != nil {
			t.Fatal(err)
		}
		var w request
		if err := json.Unmarshal(body, &w); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		want, err := json.Marshal(&w, jsonOut)
		if err != nil || string(body) != string(want) {
			t.Fatalf("%s, %v, want\n%s", body, err, want)
		}
	})
}

var drawnText = rapid.SampledFrom([]string{"", "a", "\"quoted\"\n\t<é \u2028", "\xff"})

// drawBlock draws a block of any kind; within says that a result may be one.
func drawBlock(t *rapid.T, within bool) llm.Block {
	b := llm.Block{Kind: rapid.SampledFrom([]llm.Kind{llm.Text, llm.Text, llm.Thinking, llm.ToolCall, llm.ToolResult, llm.Media, llm.Refusal, llm.Opaque}).Draw(t, "kind"), Text: drawnText.Draw(t, "text")}
	b.Cache = rapid.SampledFrom([]*llm.Cache{nil, nil, {}, {TTL: "1h"}}).Draw(t, "cache")
	b.State = rapid.SampledFrom([]llm.State{{}, {Origin: llm.OpenAI}, {Origin: llm.OpenAI, Data: `{"type":"reasoning.text","signature":"s","x":1}`}, {Origin: llm.OpenAI, Data: `{"google":{"thought_signature":"s"}}`}, {Origin: llm.Anthropic, Data: "s"}}).Draw(t, "state")
	switch b.Kind {
	case llm.ToolCall:
		b.Call = llm.Call{ID: drawnText.Draw(t, "id"), Name: "f", Input: drawnText.Draw(t, "input"), Custom: rapid.Bool().Draw(t, "custom")}
	case llm.ToolResult:
		if !within {
			return llm.Block{Kind: llm.Text}
		}
		b.Result = &llm.Result{CallID: drawnText.Draw(t, "id"), IsError: rapid.Bool().Draw(t, "error")}
		for range rapid.IntRange(0, 2).Draw(t, "content") {
			b.Result.Content = append(b.Result.Content, drawBlock(t, false))
		}
	case llm.Media:
		b.Media = &llm.Attachment{Kind: rapid.SampledFrom([]llm.MediaKind{llm.Image, llm.Audio, llm.Video, llm.Document}).Draw(t, "media"), Detail: rapid.SampledFrom([]string{"", "low"}).Draw(t, "detail")}
		switch rapid.IntRange(0, 3).Draw(t, "place") {
		case 0:
			b.Media.URL = "https://x.example/\"<"
		case 1:
			b.Media.Data, b.Media.MIMEType = "AAAA", "audio/wav"
		case 2:
			b.Media.FileID, b.Media.Origin = "f", llm.OpenAI
		case 3:
			b.Media.Text = drawnText.Draw(t, "document")
		}
	case llm.Opaque:
		b.Vendor, b.Type, b.Raw = llm.OpenAI, "x", llm.JSON(`{"type":"x","z":{"a": "\/"}}`)
	case llm.Text, llm.Thinking, llm.Refusal:
	}
	return b
}

func drawTool(t *rapid.T) llm.Tool {
	schema := rapid.SampledFrom([]llm.JSON{nil, llm.JSON(`{ "type":"object","description":"\u00e9\n" }`)}).Draw(t, "schema")
	return rapid.SampledFrom([]llm.Tool{
		{Name: "f", Description: drawnText.Draw(t, "description"), Schema: schema, Cache: &llm.Cache{TTL: "5m"}}, {Name: "odd name", Schema: schema, Strict: pointer(true)},
		{Name: "g", Grammar: llm.JSON("{}")}, {Name: "g", Grammar: llm.JSON(`{"type": "text"}`), Description: "d", Cache: &llm.Cache{}},
		{Vendor: llm.OpenAI, Type: "x", Raw: llm.JSON(`{"type":"x", "z":[]}`)},
	}).Draw(t, "tool")
}
