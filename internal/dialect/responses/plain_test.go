package responses

import (
	"reflect"
	"slices"
	"testing"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonread/readtest"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	checkItem    = readtest.Of(jsonread.Within, (*settledItem).readPlain, upstreams)
	checkContent = readtest.Of(jsonread.Within, (*settled).readPlain, upstreams)
	checkTool    = readtest.Of(jsonread.Within, (*tool).readPlain, callers)
	checkEvent   = readtest.Of(jsonread.Repeats|jsonread.Small, (*settledEvent).readPlain, upstreams)
	checkHead    = readtest.Of(jsonread.Repeats, (*settledHead).readPlain, upstreams)
	checkWithin  = readtest.Of(jsonread.Within, (*settledHead).readPlain, upstreams)
)

// settledEvent and settledHead have memory of their own for what is viewed.
type (
	settledEvent struct{ event }
	settledHead  struct{ answerHead }
)

func (s *settledEvent) readPlain(r *jsonread.Reader) {
	s.event.readPlain(r)
	for _, v := range []*view{&s.Logprobs, &s.Annotation, &s.Item, &s.Response, &s.Error} {
		v.Value = v.Clone()
	}
}

func (s *settledHead) readPlain(r *jsonread.Reader) {
	s.answerHead.readPlain(r)
	for _, v := range []*view{&s.Usage, &s.Error} {
		v.Value = v.Clone()
	}
	for i := range s.Output.items {
		v := &s.Output.items[i]
		v.Value = v.Clone()
	}
}

// settled is content that was read to its end, however it was read.
type settled struct {
	content
	wrong bool
}

func (s *settled) settle() {
	s.wrong = s.content.settle(upstreams) != nil
	s.raw = nil
}

func (s *settled) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	err := s.content.UnmarshalJSONFrom(d)
	s.settle()
	return err
}

func (s *settled) readPlain(r *jsonread.Reader) {
	s.content.readPlain(r)
	s.settle()
}

// settledItem is an item whose content and output were.
type settledItem struct {
	item
	content, output settled
}

func (s *settledItem) settle() {
	s.content.content, s.output.content = s.Content, s.Output
	s.content.settle()
	s.output.settle()
	s.Content, s.Output = content{}, content{}
}

func (s *settledItem) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	err := json.UnmarshalDecode(d, &s.item)
	s.settle()
	return err
}

func (s *settledItem) readPlain(r *jsonread.Reader) {
	if s.item.readPlain(r); !s.plain() {
		r.Odd()
	}
	s.settle()
}

// checkRequest checks that a request whose items are taken as they come means what it does when they are read at last, and
// that nothing which it says lies in memory that is used again.
func checkRequest(t rapid.TB, document []byte) bool {
	t.Helper()
	before := string(document)
	decode := func(q *request) (any, error) {
		r, err := q.decode()
		return r, err
	}
	q := requests.Get().(*request)
	if !jsonread.Plain(document, q, 0, (*request).readPlain) {
		q.free()
		return false
	}
	clear(document)
	got, err := decode(q)
	q.free()
	for _, other := range plainRequests { // in the same memory
		if q := requests.Get().(*request); jsonread.Plain([]byte(other), q, 0, (*request).readPlain) {
			_, _ = decode(q)
			q.free()
		}
	}
	var slow request
	if err := json.Unmarshal([]byte(before), &slow, callers); err != nil {
		t.Fatalf("%s is read, but it is wrong: %v", before, err)
	}
	want, wrong := decode(&slow)
	same := cmp.Exporter(func(reflect.Type) bool { return true })
	if diff := cmp.Diff([]any{want, wrong}, []any{got, err}, same); diff != "" {
		t.Fatalf("%s is read as something else (-want +got):\n%s", before, diff)
	}
	return true
}

var plainRequests = []string{
	`{"model":"m","stream":true,"instructions":"s\n","input":[{"role":"user","content":"é"},{"type":"function_call_output","call_id":"c","output":"r"}],"tools":[{"type":"function","name":"f","parameters":{}},null],"tool_choice":"auto",
	"parallel_tool_calls":null,"text":{"format":{"type":"json_schema","name":"n","schema":{},"strict":true},"verbosity":"low","x":1},"reasoning":{"effort":"low","summary":"auto","generate_summary":null,"y":2},"max_output_tokens":5,
	"temperature":0.5,"top_p":1,"top_logprobs":3,"include":["a"],"metadata":{"a":"b"},"store":false,"previous_response_id":null,"truncation":"auto","background":false,"conversation":{"id":"x"}}`,
	`{"model":"m","input":{"a":1,"a":2}}`, `{"model":"m","input":null,"max_output_tokens":1.5}`, `{"model":"m","input":null}`, `{"model":"m","input":"hello\n"}`,
	`{"input":[{"role":"user","content":[{"type":"input_text","text":"look"},{"type":"input_image","image_url":"https://x"}]},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"s"},
	{"type":"message","role":"assistant","phase":"commentary","content":[{"type":"output_text","text":"so","annotations":[{"type":"url_citation","url":"https://y","start_index":0,"end_index":2}]}]},
	{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"web_search_call","id":"w","action":{"type":"search"}},{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"r"}]},
	{"type":"computer_call_output","output":{"type":"computer_screenshot"}},{"type":"custom_tool_call_output","call_id":"d","output":"r"},{"role":"user","content":""},{"id":"msg_1"}],"model":"m","instructions":"s"}`,
	`{"model":"m","input":[{"role":"user","content":"a"},{"role":"nobody","content":"b"},{"role":"user"}]}`, `{"model":"m","input":[{"type":"function_call_output","call_id":"c"}]}`, `{"input":[{"role":"user"}]}`,
	`{"model":"m","input":[{"role":"user","content":[{"type":"input_text"}]}],"tools":[{"type":"function"}]}`, `{"model":"m","input":[{"role":"user","content":[]},{"role":"user","content":"b"}],"instructions":"s"}`,
	`{"model":"m","input":[{"type":"tool_search_call","call_id":"t","arguments":{"query":"x"}},{"role":"user","content":"a"},{"type":"function_call","call_id":"c","name":"f","arguments":7}]}`,
	"{\"model\":\"m\",\"input\":[ {\"type\":\"a\"}\n, {\"type\" :\"b\"}\n]\n}",
	`{"model":"m","input":[{"type":"local_shell_call","call_id":"l","action":{"command":["ls"]}},{"type":"local_shell_call_output","id":"l","output":"x"}]}`, `{"model":"m","input":[],"previous_response_id":"r"}`,
}

var plainItems = []string{
	`{"type":"message","id":"m","role":"assistant","status":"completed","content":[{"type":"output_text","text":"a","annotations":[]}],"phase":"commentary"}`,
	`{"type":"function_call","call_id":"c","name":"f","namespace":"n","arguments":"{\"a\":1}","input":null}`, `{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"r"}]}`,
	`{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"t"}],"encrypted_content":"e","content":null}`, `{"type":"x","input":{"a":1}}`,
}

var plainContents = []string{
	`[{"type":"output_text","text":"a\n","annotations":[{"type":"url_citation","start_index":1}],"logprobs":[{"token":"a","bytes":[97],"logprob":-0.5,"top_logprobs":[{"token":"b","bytes":null,"logprob":-1}]}]},{"type":"refusal","refusal":"no"}]`,
	`[{"type":"input_image","image_url":"https://x","detail":"auto"},{"type":"input_file","file_id":"f","filename":"n","file_data":"x","file_url":null},{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}},{"type":"input_text","text":null,"prompt_cache_breakpoint":{}}]`,
	`"text"`, `null`,
}

var plainTools = []string{
	`{"type":"function","name":"f","description":null,"parameters":{"type":"object"},"strict":true,"defer_loading":true}`, `{"type":"custom","name":"g","format":{"type":"text"}}`,
	`{"type":"namespace","name":"n","tools":[{"type":"function","name":"f"}]}`, `{"type":"mcp","server_label":"l","tools":7}`,
}

var plainEvents = []string{
	`{"type":"response.output_text.delta","sequence_number":4,"item_id":"m","output_index":0,"content_index":0,"delta":" a","logprobs":[],"obfuscation":"x"}`,
	`{"type":"response.created","response":{"id":"r","created_at":1.0,"status":"in_progress","model":"m","output":[],"usage":null}}`,
	`{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[]}}`, `{"type":"error","error":{"a":1},"code":null}`, `{"type":"response.output_text.annotation.added","annotation":{"type":"x"}}`,
	`{"type":"response.reasoning_summary_text.delta","summary_index":1,"delta":"\n"}`,
}

var plainHeads = []string{
	`{"id":"r","model":"m","created_at":1700000000,"service_tier":"default","status":"incomplete","output":[{"type":"message"}],"incomplete_details":{"reason":"max_output_tokens","x":1},"usage":{"input_tokens":1},"error":null}`, `{"id":"r","output":[],"usage":null}`, `{"id":"r","output":null}`,
}

func TestPlain(t *testing.T) {
	t.Parallel()
	apis := []string{"responses"}
	readtest.Try(t, readtest.Seeds(t, true, apis, plainRequests...), 70, checkRequest)
	readtest.Try(t, readtest.Seeds(t, true, nil, plainItems...), 80, checkItem)
	readtest.Try(t, readtest.Seeds(t, true, nil, plainContents...), 75, checkContent)
	readtest.Try(t, readtest.Seeds(t, true, nil, plainTools...), 75, checkTool)
	readtest.Try(t, readtest.Seeds(t, false, apis, plainEvents...), 95, checkEvent)
	readtest.Try(t, readtest.Seeds(t, false, apis, plainHeads...), 90, checkHead)
	readtest.Try(t, readtest.Seeds(t, false, apis, plainHeads...), 90, checkWithin)
}

// Events of a stream are read into the memory of those before.
func TestPlainAgain(t *testing.T) {
	t.Parallel()
	readtest.Again(t, readtest.Seeds(t, false, []string{"responses"}, plainEvents...), jsonread.Repeats|jsonread.Small, (*event).readPlain, func(_, _ *event) {})
}

func FuzzPlainRequest(f *testing.F) {
	readtest.Fuzz(f, readtest.Seeds(f, true, nil, plainRequests...), checkRequest)
}

func FuzzPlainItem(f *testing.F) {
	readtest.Fuzz(f, readtest.Seeds(f, true, nil, append(plainItems, plainTools...)...), func(t rapid.TB, document []byte) bool {
		return checkItem(t, slices.Clone(document)) && checkTool(t, document)
	})
}

func FuzzPlainEvent(f *testing.F) {
	readtest.Fuzz(f, readtest.Seeds(f, false, nil, plainEvents...), checkEvent)
}

// What was read into memory that is used again keeps no text alive, whether it was right or wrong.
func TestForget(t *testing.T) {
	t.Parallel()
	for _, body := range plainRequests {
		q := new(request)
		if jsonread.Plain([]byte(body), q, 0, (*request).readPlain) {
			_, _ = q.decode()
		}
		q.forget()
		in := &q.Input
		for _, b := range in.blocks[:cap(in.blocks)] {
			if !reflect.ValueOf(b).IsZero() {
				t.Errorf("%s leaves %+v", body, b)
			}
		}
		for _, parts := range [][]part{in.item.Content.parts, in.item.Output.parts, in.item.Summary} {
			for _, p := range parts[:cap(parts)] {
				if !reflect.ValueOf(p).IsZero() {
					t.Errorf("%s leaves %+v", body, p)
				}
			}
		}
		for _, tool := range q.Tools.all[:cap(q.Tools.all)] {
			if !reflect.ValueOf(tool).IsZero() {
				t.Errorf("%s leaves %+v", body, tool)
			}
		}
	}
}
