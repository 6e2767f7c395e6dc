package proxy

import (
	"net/http"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/reqid"
	"aihigress/internal/upstream"
)

// An endpoint is one thing that callers ask for, in the dialect that its path belongs to.
type endpoint struct {
	dialect   dialect.Dialect    // of its callers
	operation upstream.Operation // that serves it at a provider of the same dialect
	path      string             // below the version, without the model: how it is booked
	streams   bool               // a stream has a meaning
	output    bool               // the answer is generated, and paid by the token
	usual     int64              // tokens that are held at least for an answer whose caller set no limit
	// translates says that providers of other dialects serve it too: by upstream.Generate, through the neutral model.
	translates bool
	// scan reads its requests where the dialect's Scan does not; nil is Scan.
	scan func(body []byte) (dialect.Scanned, error)

	// beside says that it is for something else than generation. The rest goes with that.
	beside   bool
	others   map[string]translator // for providers of other dialects, by their names
	form     formUse               // whether requests come as multipart forms
	free     bool                  // nothing is billed
	estimate func(c *call) []byte  // the gateway's own answer where no provider has one; nil is none
}

// A formUse says whether an endpoint takes multipart forms.
type formUse uint8

const (
	noForm formUse = iota
	formToo
	formOnly
)

var (
	chatCompletions = endpoint{dialect: dialects[llm.OpenAI], operation: upstream.Generate, path: "/chat/completions", streams: true, output: true, translates: true}
	completions     = endpoint{dialect: openai.Completions{}, operation: upstream.Complete, path: "/completions", streams: true, output: true, translates: true}
	createResponse  = endpoint{dialect: dialects[llm.Responses], operation: upstream.Generate, path: "/responses", streams: true, output: true, translates: true}
	createMessage   = endpoint{dialect: dialects[llm.Anthropic], operation: upstream.Generate, path: "/messages", streams: true, output: true, translates: true}

	generateContent       = endpoint{dialect: dialects[llm.Gemini], operation: upstream.Generate, path: "/models/{model}:generateContent", output: true, translates: true}
	streamGenerateContent = endpoint{dialect: dialects[llm.Gemini], operation: upstream.Generate, path: "/models/{model}:streamGenerateContent", streams: true, output: true, translates: true}
)

// geminiActions are what stands behind the colon of a path below /v1beta/models/.
var geminiActions = map[string]*endpoint{
	"generateContent":       &generateContent,
	"streamGenerateContent": &streamGenerateContent,
	"embedContent":          &embedContent,
	"batchEmbedContents":    &batchEmbedContents,
	"countTokens":           &countGeminiTokens,
}

func (p *Proxy) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, e := range []*endpoint{&chatCompletions, &completions, &createResponse, &createMessage, &countMessageTokens,
		&embeddings, &generateImages, &editImages, &speech, &transcriptions, &translations, &moderations, &rerank} {
		mux.HandleFunc("POST /v1"+e.path, p.forward(e))
		mux.HandleFunc("/v1"+e.path, allow("POST"))
	}
	mux.HandleFunc("GET /v1"+createResponse.path, refuseWebSocket)
	mux.HandleFunc("POST /v1beta/models/{call...}", p.forwardGemini)
	mux.HandleFunc("GET /v1beta/models", p.listGeminiModels)
	mux.HandleFunc("GET /v1beta/models/{model...}", p.getGeminiModel)
	mux.HandleFunc("/v1beta/models", allow("GET, HEAD"))
	mux.HandleFunc("/v1beta/models/{call...}", allow("GET, HEAD, POST"))
	mux.HandleFunc("GET /v1/models", p.listModels)
	mux.HandleFunc("GET /v1/models/{id...}", p.getModel) // a model's name may have slashes
	mux.HandleFunc("/v1/models/{id...}", allow("GET, HEAD"))
	mux.HandleFunc("/v1/models", allow("GET, HEAD"))
	mux.HandleFunc("/", unknownPath)
	return mux
}

// forward serves an endpoint whose requests name the model in the body.
func (p *Proxy) forward(e *endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{p: p, w: w, r: r, endpoint: e}
		c.serve()
	}
}

// forwardGemini serves the endpoints of Gemini, where the path has the model and what is asked of it.
func (p *Proxy) forwardGemini(w http.ResponseWriter, r *http.Request) {
	model, action, ok := cutLast(r.PathValue("call"), ":")
	e := geminiActions[action]
	if !ok || e == nil {
		unknownPath(w, r)
		return
	}
	c := &call{p: p, w: w, r: r, endpoint: e, at: dialect.At{Model: model, Stream: e.streams}}
	c.serve()
}

func cutLast(text, separator string) (before, after string, ok bool) {
	if i := strings.LastIndex(text, separator); i >= 0 {
		return text[:i], text[i+len(separator):], true
	}
	return text, "", false
}

// familyOf is the dialect that a path belongs to, also one that leads nowhere.
func familyOf(r *http.Request) dialect.Dialect {
	below := func(path string) bool { return r.URL.Path == path || strings.HasPrefix(r.URL.Path, path+"/") }
	switch {
	case below("/v1beta"):
		return dialects[llm.Gemini]
	case below("/v1/messages"):
		return dialects[llm.Anthropic]
	case below("/v1/responses"):
		return dialects[llm.Responses]
	}
	return dialects[llm.OpenAI]
}

func unknownPath(w http.ResponseWriter, r *http.Request) {
	refuse(w, r, fault.New(fault.NotFound, "Unknown request URL: %s %.200s.", r.Method, r.URL.Path).WithCode("unknown_url"), 0)
}

// allow refuses every method and names those that there are.
func allow(methods string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", methods)
		err := fault.New(fault.Invalid, "Not allowed to %s on %.200s.", r.Method, r.URL.Path).WithCode("method_not_supported")
		refuse(w, r, err, http.StatusMethodNotAllowed)
	}
}

// refuseWebSocket answers who asks for the Responses API over a WebSocket, as Codex does first. It takes 426 for the word
// to use HTTP from then on, and any other refusal for one to be tried again (codex-rs, core/src/client.rs).
func refuseWebSocket(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		allow("POST")(w, r)
		return
	}
	w.Header().Set("Connection", "close")
	err := fault.New(fault.Invalid, "Responses are served over HTTP here, not over a WebSocket: use POST.").WithCode("websocket_not_supported")
	refuse(w, r, err, http.StatusUpgradeRequired)
}

// refuse answers with an error in the dialect of the path. A status of 0 is the error's own.
func refuse(w http.ResponseWriter, r *http.Request, err error, status int) {
	f := describe(err, requestID(w, r))
	if status != 0 {
		f.Status = status
	}
	f.write(w, familyOf(r))
}

// requestID is the id that correlates the call, and sees that the answer carries it. The middleware before the doors
// has chosen it; without one the proxy does.
func requestID(w http.ResponseWriter, r *http.Request) string {
	requestID := reqid.From(r.Context())
	if requestID == "" {
		if requestID = r.Header.Get("X-Request-Id"); !reqid.Valid(requestID) {
			requestID = id.New[id.Request]().String()
		}
	}
	if set := w.Header()["X-Request-Id"]; len(set) != 1 || set[0] != requestID {
		w.Header()["X-Request-Id"] = []string{requestID}
	}
	return requestID
}
