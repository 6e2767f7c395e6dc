package gemini

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// attachment reads inline data.
func (w *wireBlob) attachment() *llm.Attachment {
	a := &llm.Attachment{Kind: kindOf(w.MIMEType), MIMEType: w.MIMEType, Name: w.DisplayName}
	data := strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "").Replace(w.Data)
	data = strings.TrimRight(data, "=")
	if n := len(data) % 4; n > 1 {
		data += "=="[:4-n]
	}
	if w.MIMEType == "text/plain" {
		if raw, err := base64.StdEncoding.DecodeString(data); err == nil && utf8.Valid(raw) {
			a.Text = string(raw)
			return a
		}
	}
	a.Data = data
	return a
}

// attachment reads a file by its address: gs and http addresses are anybody's, others are names that Google gave.
func (w *wireFile) attachment() *llm.Attachment {
	a := &llm.Attachment{Kind: kindOf(w.MIMEType), MIMEType: w.MIMEType, Name: w.DisplayName}
	if own(w.FileURI) {
		a.FileID, a.Origin = w.FileURI, llm.Gemini
	} else {
		a.URL = w.FileURI
	}
	return a
}

// own reports whether an address is that of a file that Google keeps for the account (Files API).
func own(uri string) bool {
	return !isURL(uri) || strings.Contains(uri, "//generativelanguage.googleapis.com/")
}

func isURL(uri string) bool {
	scheme, _, ok := strings.Cut(uri, "://")
	return ok && (scheme == "gs" || scheme == "http" || scheme == "https")
}

// kindOf is the kind of a file by its type.
func kindOf(mime string) llm.MediaKind {
	switch top, _, _ := strings.Cut(mime, "/"); top {
	case "image":
		return llm.Image
	case "audio":
		return llm.Audio
	case "video":
		return llm.Video
	}
	return llm.Document
}

// vendorParts are the parts that are one block each and mean nothing to other vendors.
var vendorParts = []string{"executableCode", "codeExecutionResult", "toolCall", "toolResponse"}

// opaque is a part of a kind that only Google knows.
func (p *wirePart) opaque() (llm.Block, bool) {
	kind := ""
	members(p.Unknown, func(name string, _ llm.JSON) {
		name = camel(name)
		switch {
		case kind == "", slices.Contains(vendorParts, name), name < kind && !slices.Contains(vendorParts, kind):
			kind = name
		}
	})
	if kind == "" {
		return llm.Block{}, false
	}
	return llm.Block{Kind: llm.Opaque, Vendor: llm.Gemini, Type: kind, Raw: mustJSON(p)}, true
}

// A tool that takes free text becomes a function with one string, and its name tells so: results and calls that come back
// need no memory of the tool.
const (
	customSuffix = "__text"
	customField  = "input"
)

// customName parts the name of a function that stands for a tool of free text from the mark.
func customName(name string) (string, bool) {
	if plain, ok := strings.CutSuffix(name, customSuffix); ok && plain != "" {
		return plain, true
	}
	return name, false
}

// neutral is the call with an id. A call of a tool that takes free text is unwrapped.
func (w *wireCall) neutral(id string) llm.Call {
	name, custom := customName(w.Name)
	if custom {
		var args struct {
			Input *string `json:"input"`
		}
		if json.Unmarshal(w.Args, &args, fromUpstream) == nil && args.Input != nil {
			return llm.Call{ID: id, Name: name, Input: *args.Input, Custom: true}
		}
	}
	call := llm.Call{ID: id, Name: w.Name}
	if !isNull(w.Args) {
		call.Input = compact(w.Args)
	}
	return call
}

// compact is the text of a value, which is valid, without the spaces in it.
func compact(v borrowed) string {
	for at := 0; at < len(v); at++ {
		switch c := v[at]; {
		case c == '"':
			at = jsonscan.After(v, at) - 1
		case c <= ' ':
			v = v.Clone()
			_ = v.Compact() // it was valid when it was read
			return string(v)
		}
	}
	return string(v)
}

// writeCall is the call on the wire, which lives no longer than the other.
func writeCall(c *llm.Call) wireCall {
	w := wireCall{ID: c.ID, Name: c.Name, of: c}
	if c.Custom {
		w.Name += customSuffix
	}
	return w
}

// readOutput reads the response of a function: its "output" or "result", or the whole object; an "error" is one.
func readOutput(response borrowed) (said string, isError bool) {
	if isNull(response) {
		return "", false
	}
	value := response
	name, only, members := soleMember(response)
	if members == 0 && response.Kind() == '{' {
		return "", false
	}
	if members == 1 {
		switch string(name) {
		case "output", "result":
			value = only
		case "error":
			value, isError = only, true
		}
	}
	said, plain := jsonread.Text(value)
	if !plain {
		if said = string(value); value.Kind() == '"' {
			unquoted, _ := jsontext.AppendUnquote(nil, value) // a valid string
			said = string(unquoted)
		}
	}
	return said, isError
}

// write sets the response of a function: an object that the tool returned goes as it is, a text as "output", and an error
// as "error".
func (w *wireResult) write(said string, isError bool) {
	w.said, w.under = said, "output"
	if isError {
		w.under = "error"
		return
	}
	if said := strings.TrimSpace(said); strings.HasPrefix(said, "{") {
		if v := llm.JSON(said); v.IsValid() && !ambiguous(v) {
			w.Response, w.said, w.under = v, "", ""
		}
	}
}

// ambiguous reports whether an object would be read back as something else.
func ambiguous(v llm.JSON) bool {
	switch name, _, members := soleMember(v); members {
	case 0:
		return true
	case 1:
		return string(name) == "output" || string(name) == "result" || string(name) == "error"
	}
	return false
}

// soleMember is the first member of an object that is valid, and how many there are: none, one, or two for more.
func soleMember(object llm.JSON) (name []byte, value llm.JSON, members int) {
	for quoted, v := range jsonscan.Members(object) {
		if members == 1 {
			return name, value, 2
		}
		if name = quoted[1 : len(quoted)-1]; bytes.IndexByte(name, '\\') >= 0 {
			name, _ = jsontext.AppendUnquote(nil, quoted)
		}
		value, members = v, 1
	}
	return name, value, members
}
