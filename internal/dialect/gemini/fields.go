package gemini

import "aihigress/internal/llm"

// fieldNames are what callers of this dialect call the parts of a request.
var fieldNames = llm.FieldNames{
	llm.FieldImage:       "contents.parts.inlineData",
	llm.FieldImageURL:    "contents.parts.fileData",
	llm.FieldDetail:      "contents.parts.mediaResolution",
	llm.FieldAudio:       "contents.parts.inlineData",
	llm.FieldVideo:       "contents.parts.inlineData",
	llm.FieldDocument:    "contents.parts.inlineData",
	llm.FieldFile:        "contents.parts.fileData",
	llm.FieldFileName:    "contents.parts.inlineData.displayName",
	llm.FieldResultMedia: "contents.parts.functionResponse.parts",
	llm.FieldThinking:    "contents.parts.thoughtSignature",
	llm.FieldCitations:   "groundingMetadata",
	llm.FieldVendorTool:  "tools",
	llm.FieldVendorBlock: "contents.parts",
	llm.FieldChoice:      "toolConfig.functionCallingConfig",
	llm.FieldFormat:      "generationConfig.responseSchema",
	llm.FieldN:           "generationConfig.candidateCount",
	llm.FieldStop:        "generationConfig.stopSequences",
	llm.FieldTemperature: "generationConfig.temperature",
	llm.FieldTopP:        "generationConfig.topP",
	llm.FieldTopK:        "generationConfig.topK",
	llm.FieldFrequency:   "generationConfig.frequencyPenalty",
	llm.FieldPresence:    "generationConfig.presencePenalty",
	llm.FieldSeed:        "generationConfig.seed",
	llm.FieldLogprobs:    "generationConfig.responseLogprobs",
	llm.FieldReasoning:   "generationConfig.thinkingConfig",
	llm.FieldSummary:     "generationConfig.thinkingConfig.includeThoughts",
	llm.FieldModalities:  "generationConfig.responseModalities",
	llm.FieldServiceTier: "serviceTier",
	llm.FieldMetadata:    "labels",
	llm.FieldSafety:      "safetySettings",
	llm.FieldStore:       "store",
}

// FieldName implements dialect.Dialect. What callers of this dialect cannot say keeps its neutral name.
func (Dialect) FieldName(f llm.Field) string { return fieldNames.Of(f) }
