package responses

import "aihigress/internal/llm"

// fieldNames are what callers of the dialect call fields.
var fieldNames = llm.FieldNames{
	llm.FieldName:        "input.name",
	llm.FieldImage:       "input_image",
	llm.FieldImageURL:    "input_image.image_url",
	llm.FieldDetail:      "input_image.detail",
	llm.FieldAudio:       "input_audio",
	llm.FieldVideo:       "input_video",
	llm.FieldDocument:    "input_file",
	llm.FieldFile:        "file_id",
	llm.FieldFileName:    "input_file.filename",
	llm.FieldResultMedia: "function_call_output.output",
	llm.FieldThinking:    "reasoning.encrypted_content",
	llm.FieldCitations:   "output_text.annotations",
	llm.FieldCache:       "prompt_cache_breakpoint",
	llm.FieldStrict:      "tools.strict",
	llm.FieldSchema:      "tools.parameters",
	llm.FieldVendorTool:  "tools",
	llm.FieldVendorBlock: "input",
	llm.FieldCustomTool:  "tools.custom",
	llm.FieldChoice:      "tool_choice",
	llm.FieldParallel:    "parallel_tool_calls",
	llm.FieldFormat:      "text.format",
	llm.FieldTemperature: "temperature",
	llm.FieldTopP:        "top_p",
	llm.FieldLogprobs:    "top_logprobs",
	llm.FieldReasoning:   "reasoning.effort",
	llm.FieldSummary:     "reasoning.summary",
	llm.FieldVerbosity:   "text.verbosity",
	llm.FieldServiceTier: "service_tier",
	llm.FieldUser:        "user",
	llm.FieldMetadata:    "metadata",
	llm.FieldCacheKey:    "prompt_cache_key",
	llm.FieldCacheFor:    "prompt_cache_retention",
	llm.FieldPrevious:    "previous_response_id",
	llm.FieldStore:       "store",
	llm.FieldTruncation:  "truncation",
	llm.FieldInclude:     "include",
}

// FieldName implements dialect.Dialect. What a vendor runs is named with its type: tools.web_search.
func (Dialect) FieldName(f llm.Field) string { return fieldNames.Of(f) }
