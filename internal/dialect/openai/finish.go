package openai

import "aihigress/internal/llm"

// finishOf reads a vendor's word for why an answer ended.
func finishOf(word string) llm.Finish {
	switch word {
	case "stop", "end_turn", "eos", "STOP":
		return llm.FinishStop
	case "stop_sequence":
		return llm.FinishStopSequence
	case "length", "max_tokens", "MAX_TOKENS":
		return llm.FinishLength
	case "model_length": // Mistral
		return llm.FinishContext
	case "tool_calls", "function_call", "tool_use":
		return llm.FinishTools
	case "content_filter", "safety", "SAFETY", "RECITATION", "sensitive": // the last is GLM's
		return llm.FinishFilter
	case "refusal":
		return llm.FinishRefusal
	case "malformed_function_call", "MALFORMED_FUNCTION_CALL":
		return llm.FinishMalformed
	case "error", "network_error", "insufficient_system_resource": // OpenRouter, GLM, DeepSeek
		return llm.FinishError
	}
	return llm.FinishUnknown
}

// finishWord is OpenAI's word. Spoken says that the answer has a refusal in words, which ends with "stop" here.
func finishWord(f llm.Finish, spoken, functions bool) string {
	switch f {
	case llm.FinishLength, llm.FinishContext:
		return "length"
	case llm.FinishTools:
		if functions {
			return "function_call"
		}
		return "tool_calls"
	case llm.FinishFilter:
		return "content_filter"
	case llm.FinishRefusal:
		if !spoken {
			return "content_filter"
		}
	case llm.FinishError:
		return "error" // OpenAI has none; OpenRouter's
	case llm.FinishUnknown, llm.FinishStop, llm.FinishStopSequence, llm.FinishPause, llm.FinishMalformed:
	}
	return "stop"
}
