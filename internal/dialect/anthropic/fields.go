package anthropic

import "aihigress/internal/llm"

// fieldNames are the paths of neutral fields in this dialect. What it does not have keeps its neutral name.
var fieldNames = llm.FieldNames{
	llm.FieldImage:        "messages[].content[].image",
	llm.FieldImageURL:     "messages[].content[].image.source.url",
	llm.FieldDocument:     "messages[].content[].document",
	llm.FieldFile:         "messages[].content[].source.file_id",
	llm.FieldFileName:     "messages[].content[].document.title",
	llm.FieldResultMedia:  "messages[].content[].tool_result.content",
	llm.FieldThinking:     "messages[].content[].thinking",
	llm.FieldCitations:    "messages[].content[].citations",
	llm.FieldCite:         "messages[].content[].citations",
	llm.FieldCache:        "cache_control",
	llm.FieldStrict:       "tools[].strict",
	llm.FieldSchema:       "tools[].input_schema",
	llm.FieldVendorTool:   "tools[]",
	llm.FieldVendorBlock:  "messages[].content[]",
	llm.FieldChoice:       "tool_choice",
	llm.FieldParallel:     "tool_choice.disable_parallel_tool_use",
	llm.FieldFormat:       "output_config.format",
	llm.FieldStop:         "stop_sequences",
	llm.FieldTemperature:  "temperature",
	llm.FieldTopP:         "top_p",
	llm.FieldTopK:         "top_k",
	llm.FieldReasoning:    "thinking",
	llm.FieldSummary:      "thinking.display",
	llm.FieldServiceTier:  "service_tier",
	llm.FieldUser:         "metadata.user_id",
	llm.FieldMetadata:     "metadata",
	llm.FieldContextEdits: "context_management",
}

// FieldName implements dialect.Dialect. The type of a vendor's tool or block stands behind its path.
func (Dialect) FieldName(f llm.Field) string { return fieldNames.Of(f) }
