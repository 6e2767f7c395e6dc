package upstream

import (
	"net/http"
	"net/url"
	"strings"

	"aihigress/internal/fault"
	"aihigress/internal/llm"
	"aihigress/internal/provider"
	"aihigress/internal/snapshot"
)

// An Operation is one thing that a vendor does for a request. Its text is the key in a provider's paths.
type Operation string

// The operations, as provider.Operations lists them.
const (
	Generate       Operation = "generate" // an answer, in the provider's own dialect
	CountTokens    Operation = "count_tokens"
	Embed          Operation = "embed"
	BatchEmbed     Operation = "batch_embed" // Gemini alone: other dialects' Embed takes a list
	ImagesGenerate Operation = "images_generate"
	ImagesEdit     Operation = "images_edit"
	Speech         Operation = "speech"
	Transcribe     Operation = "transcribe"
	TranslateAudio Operation = "translate_audio"
	Moderate       Operation = "moderate"
	Rerank         Operation = "rerank"
	Complete       Operation = "complete" // OpenAI's legacy completions
	ListModels     Operation = "list_models"
)

// generateStream is the key in a provider's paths for Generate of a stream, where that has a path of its own: Gemini's
// dialect, and Vertex. Elsewhere the key of Generate stands for both.
const generateStream = "generate_stream"

// Codes of the failures of Locate.
const (
	CodeNoOperation = "unsupported_operation" // the provider has none such
	CodeModelName   = "invalid_model"         // the model's name cannot stand in an address
)

// An Address is where a provider takes an operation, and what it wants said beside the dialect's request.
type Address struct {
	Path  string     // behind the base URL, escaped: what Call.Path takes
	Query url.Values // shared: do not change it
	// Header goes out where the caller sends no such header. It is shared: do not change it. What a kind of provider wants
	// besides, Do sets itself.
	Header http.Header
	// OmitModel, AnthropicVersion and ClaudeCLI are what the body needs: see dialect.Patch and dialect.Target.
	OmitModel        bool
	AnthropicVersion string
	ClaudeCLI        bool
}

// vertexVersion is what Claude on Vertex wants as the body's anthropic_version (as Anthropic's SDKs send it).
const vertexVersion = "vertex-2023-10-16"

// Locate finds where a provider takes an operation on a model, streamed or not. The failure is Invalid with a code: the
// provider has no such operation, or the model's name cannot stand in its address.
func Locate(p *snapshot.Provider, op Operation, model string, stream bool) (Address, error) {
	a, template := known(p, op, stream)
	key := string(op)
	if op == Generate && stream && (p.Dialect == llm.Gemini || p.Kind == provider.KindVertex && p.Dialect == llm.Anthropic) {
		key = generateStream
	}
	if own, ok := p.Paths[key]; ok {
		template = own
	}
	if template == "" {
		return Address{}, fault.New(fault.Invalid, "the provider has no such operation").WithCode(CodeNoOperation)
	}
	if !strings.Contains(template, placeholder) {
		a.Path = template
		return a, nil
	}
	name, err := segment(bare(p, model))
	if err != nil {
		return Address{}, err
	}
	a.Path = strings.ReplaceAll(template, placeholder, name)
	return a, nil
}

// placeholder stands for the model in a path.
const placeholder = "{model}"

// known is the path that the provider's dialect and kind have for an operation; "" is none.
func known(p *snapshot.Provider, op Operation, stream bool) (a Address, template string) {
	if p.Kind == provider.KindVertex {
		return vertex(p.Dialect, op, stream)
	}
	switch p.Dialect {
	case llm.Anthropic:
		template, a.Header = anthropicPaths[op], anthropicHeader
	case llm.Gemini:
		template = geminiPaths[op]
		if op == Generate && stream {
			template, a.Query = "/models/{model}:streamGenerateContent", eventStream
		}
	case llm.Responses:
		if template = openaiPaths[op]; op == Generate {
			template = "/responses"
		}
	case llm.OpenAI:
		template = openaiPaths[op]
	}
	if p.Kind == provider.KindClaudeCLI {
		a.ClaudeCLI, a.Query = op == Generate, betaQuery
	}
	return a, template
}

// eventStream asks Gemini for events; without it a stream is one JSON array.
var eventStream = url.Values{"alt": {"sse"}}

// anthropicHeader is the version of the API that Anthropic wants named (as its SDKs send it).
var anthropicHeader = http.Header{"Anthropic-Version": {"2023-06-01"}}

// betaQuery is on everything that Claude Code asks for: it calls the SDK's beta resources.
var betaQuery = url.Values{"beta": {"true"}}

var (
	// openaiPaths are those of OpenAI and of all that are compatible with it. OpenAI has no rerank: the path is the one that
	// Jina, Cohere's second version and vLLM agree on.
	openaiPaths = map[Operation]string{
		Generate: "/chat/completions", CountTokens: "/responses/input_tokens", Complete: "/completions",
		Embed: "/embeddings", Moderate: "/moderations", Rerank: "/rerank",
		ImagesGenerate: "/images/generations", ImagesEdit: "/images/edits",
		Speech: "/audio/speech", Transcribe: "/audio/transcriptions", TranslateAudio: "/audio/translations",
		ListModels: "/models",
	}
	anthropicPaths = map[Operation]string{
		Generate: "/v1/messages", CountTokens: "/v1/messages/count_tokens", ListModels: "/v1/models",
	}
	geminiPaths = map[Operation]string{
		Generate: "/models/{model}:generateContent", CountTokens: "/models/{model}:countTokens",
		Embed: "/models/{model}:embedContent", BatchEmbed: "/models/{model}:batchEmbedContents",
		ImagesGenerate: "/models/{model}:predict", // Imagen: Gemini's own pictures come of Generate
		ListModels:     "/models",
	}
)

// vertex is known for Vertex AI, whose base URL ends with the location. It lists models elsewhere: see ListModels of Client.
func vertex(dialect string, op Operation, stream bool) (a Address, template string) {
	const google, anthropic = "/publishers/google/models/{model}", "/publishers/anthropic/models/"
	switch {
	case dialect == llm.OpenAI && op == Generate:
		return a, "/endpoints/openapi/chat/completions"
	case dialect == llm.Anthropic && op == Generate && stream:
		return Address{OmitModel: true, AnthropicVersion: vertexVersion}, anthropic + "{model}:streamRawPredict"
	case dialect == llm.Anthropic && op == Generate:
		return Address{OmitModel: true, AnthropicVersion: vertexVersion}, anthropic + "{model}:rawPredict"
	case dialect == llm.Anthropic && op == CountTokens: // the body names the model here
		return Address{AnthropicVersion: vertexVersion}, anthropic + "count-tokens:rawPredict"
	case dialect != llm.Gemini:
		return a, ""
	}
	switch op {
	case Generate:
		if stream {
			return Address{Query: eventStream}, google + ":streamGenerateContent"
		}
		return a, google + ":generateContent"
	case CountTokens:
		return a, google + ":countTokens"
	case Embed: // of gemini-embedding-2 and later; those before have a form of their own under :predict
		return a, google + ":embedContent"
	case ImagesGenerate:
		return a, google + ":predict"
	}
	return a, ""
}

// bare takes off a model's name what the address says already, as Google's SDKs let one write it.
func bare(p *snapshot.Provider, model string) string {
	if p.Kind == provider.KindVertex {
		for _, publisher := range []string{"google/", "anthropic/"} {
			rest := strings.TrimPrefix(model, "publishers/")
			if rest, ok := strings.CutPrefix(rest, publisher); ok {
				return strings.TrimPrefix(rest, "models/")
			}
		}
	}
	return strings.TrimPrefix(model, "models/")
}

// segment is a model's name as one segment of a path. A caller may have chosen it, where the provider takes any name. So
// names are refused whose slashes or dots would mean something to a server that decodes more than it should.
func segment(model string) (string, error) {
	bad := model == "" || len(model) > provider.MaxName || strings.ContainsFunc(model, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`%#\`, r)
	})
	for part := range strings.SplitSeq(model, "/") {
		bad = bad || part == "" || part == "." || part == ".."
	}
	if bad {
		return "", fault.New(fault.Invalid, "the model's name cannot stand in the provider's address").WithCode(CodeModelName)
	}
	// A colon ends the name where Google's verbs begin.
	return strings.ReplaceAll(url.PathEscape(model), ":", "%3A"), nil
}
