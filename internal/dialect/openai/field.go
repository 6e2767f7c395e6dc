package openai

import "aihigress/internal/llm"

// fieldNames are what callers of this dialect call the parts of a request.
var fieldNames = llm.FieldNames{
	llm.FieldName:         "messages.name",
	llm.FieldImage:        "messages.content.image_url",
	llm.FieldImageURL:     "messages.content.image_url.url",
	llm.FieldDetail:       "messages.content.image_url.detail",
	llm.FieldAudio:        "messages.content.input_audio",
	llm.FieldVideo:        "messages.content.video_url",
	llm.FieldDocument:     "messages.content.file",
	llm.FieldFile:         "messages.content.file.file_id",
	llm.FieldFileName:     "messages.content.file.filename",
	llm.FieldResultMedia:  "messages.content.image_url",
	llm.FieldThinking:     "messages.reasoning_details",
	llm.FieldCitations:    "messages.annotations",
	llm.FieldCache:        "messages.content.cache_control",
	llm.FieldStrict:       "tools.function.strict",
	llm.FieldSchema:       "tools.function.parameters",
	llm.FieldVendorTool:   "tools",
	llm.FieldVendorBlock:  "messages.content",
	llm.FieldCustomTool:   "tools.custom",
	llm.FieldChoice:       "tool_choice",
	llm.FieldParallel:     "parallel_tool_calls",
	llm.FieldFormat:       "response_format",
	llm.FieldFrequency:    "frequency_penalty",
	llm.FieldPresence:     "presence_penalty",
	llm.FieldRepetition:   "repetition_penalty",
	llm.FieldLogprobs:     "logprobs",
	llm.FieldReasoning:    "reasoning_effort",
	llm.FieldCacheKey:     "prompt_cache_key",
	llm.FieldCacheFor:     "prompt_cache_retention",
	llm.FieldPrevious:     "previous_response_id",
	llm.FieldSafety:       "safety_settings",
	llm.FieldContextEdits: "context_management",
}

// FieldName implements dialect.Dialect. Fields that are not listed are called here as the neutral model calls them.
func (Dialect) FieldName(f llm.Field) string {
	if f == llm.FieldVendorTool.With(webSearch) {
		return webSearch
	}
	return fieldNames.Of(f)
}
