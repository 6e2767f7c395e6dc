package openai

import (
	"slices"
	"strings"

	"aihigress/internal/llm"
)

// thinkingStyle is how a vendor is told how much to think.
type thinkingStyle uint8

const (
	byEffort    thinkingStyle = iota // reasoning_effort
	byReasoning                      // reasoning{effort,max_tokens,exclude}
	byThinking                       // thinking{type}
	byEnable                         // enable_thinking, thinking_budget
)

// vendor is what one of the many who speak this dialect does his own way.
type vendor struct {
	hosts []string // a name, or ".name" for all below it and itself

	// openAI says that it is OpenAI or Azure: max_completion_tokens, developer messages, allowed_tools, custom tools, lists of
	// texts.
	openAI bool
	style  thinkingStyle
	// effortToo says that reasoning_effort goes with byThinking.
	effortToo bool
	// reasoning says that reasoning_content of earlier turns is taken; keep asks for it where the vendor else forgets it.
	reasoning, keep bool
	details         bool // reasoning_details are taken
	cache           bool // cache_control is taken
	objectOnly      bool // json_object, but no json_schema
	fileURL         bool // files by their address
	randomSeed      bool // the seed is called random_seed
	shortIDs        bool // ids of tool calls are nine letters and digits
	noStreamOptions bool // a stream tells its usage unasked and stream_options is refused
	// strictOrder says that a user may not speak right after a tool, and that only an assistant's last words may be marked as
	// a beginning to go on from.
	strictOrder bool
	// lacks are the fields that it refuses, whatever the model; refuses those that a model does, at an effort.
	lacks   []llm.Field
	refuses func(model, effort string) []llm.Field
}

// vendors are those known to differ. Sources: the vendors' API references (api-docs.deepseek.com "Thinking Mode",
// docs.z.ai and platform.moonshot.ai "thinking", help.aliyun.com "Deep thinking", openrouter.ai "Reasoning Tokens" and
// "Prompt Caching", docs.mistral.ai, docs.x.ai "Reasoning", console.groq.com "OpenAI Compatibility"), and for what they refuse the errors that
// public issue trackers quote.
var vendors = []vendor{
	{hosts: []string{".api.openai.com", ".openai.azure.com"}, openAI: true, refuses: refuses,
		lacks: []llm.Field{llm.FieldTopK, llm.FieldMinP, llm.FieldRepetition, llm.FieldVideo}},
	{hosts: []string{".openrouter.ai"}, style: byReasoning, reasoning: true, details: true, cache: true, fileURL: true},
	{hosts: []string{".deepseek.com"}, style: byThinking, effortToo: true, reasoning: true, objectOnly: true},
	{hosts: []string{".moonshot.ai", ".moonshot.cn", ".kimi.com"}, style: byThinking, reasoning: true},
	{hosts: []string{".z.ai", ".bigmodel.cn"}, style: byThinking, reasoning: true, keep: true, objectOnly: true},
	{hosts: []string{".aliyuncs.com"}, style: byEnable, reasoning: true},
	{hosts: []string{".mistral.ai"}, randomSeed: true, shortIDs: true, noStreamOptions: true,
		lacks: []llm.Field{llm.FieldTopK, llm.FieldMinP, llm.FieldRepetition, llm.FieldLogitBias, llm.FieldLogprobs, llm.FieldUser, llm.FieldMetadata,
			llm.FieldStore, llm.FieldCacheKey, llm.FieldCacheFor, llm.FieldVerbosity, llm.FieldServiceTier, llm.FieldModalities, llm.FieldVideo, llm.FieldName}, strictOrder: true},
	{hosts: []string{".x.ai"}, reasoning: true, refuses: grokRefuses},
	{hosts: []string{".groq.com"},
		lacks: []llm.Field{llm.FieldTopK, llm.FieldMinP, llm.FieldRepetition, llm.FieldLogitBias, llm.FieldLogprobs, llm.FieldMetadata, llm.FieldStore,
			llm.FieldCacheKey, llm.FieldCacheFor, llm.FieldVerbosity, llm.FieldPrediction, llm.FieldModalities, llm.FieldVideo}},
}

// anyVendor is whoever else: a relay, a server of one's own. They mostly take what they know and pass over the rest.
var anyVendor = vendor{reasoning: true}

func vendorOf(host string) *vendor {
	for i := range vendors {
		for _, name := range vendors[i].hosts {
			if host == name[1:] || strings.HasSuffix(host, name) {
				return &vendors[i]
			}
		}
	}
	return &anyVendor
}

func (v *vendor) takes(f llm.Field) bool { return !slices.Contains(v.lacks, f) }
