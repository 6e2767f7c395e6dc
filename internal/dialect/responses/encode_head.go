package responses

import "strconv"

// head writes a request up to its input.
func (w *requestWriter) head(q *request) {
	w.b = q.appendBegin(w.b)
	from := len(w.b)
	w.b = append(w.b, `,"tools":[`...)
	first := len(w.b)
	w.b = appendTools(w.b, w.r, w.drops.Add, appendTool)
	if len(w.b) > first {
		w.b = append(w.b, ']')
		q.Choice = choiceValue(w.r)
	} else {
		w.b = w.b[:from]
		q.Parallel = nil // it would be refused, and so would a choice
	}
	w.b = q.appendSettings(w.b)
}

// appendBegin writes what stands in front of the tools.
func (q *request) appendBegin(b []byte) []byte {
	b = appendString(append(b, `{"model":`...), q.Model)
	if q.Stream {
		b = append(b, `,"stream":true`...)
	}
	return appendSaid(b, `,"instructions":`, q.Instructions)
}

// appendSettings writes what stands behind the tools.
func (q *request) appendSettings(b []byte) []byte {
	if q.Choice != nil {
		b = appendValue(append(b, `,"tool_choice":`...), q.Choice)
	}
	if q.Parallel != nil {
		b = strconv.AppendBool(append(b, `,"parallel_tool_calls":`...), *q.Parallel)
	}
	if q.Text != nil {
		b = append(append(b, `,"text":`...), marshal(q.Text)...)
	}
	if q.Reasoning != nil {
		b = q.Reasoning.append(append(b, `,"reasoning":`...))
	}
	if q.MaxTokens != 0 {
		b = appendInt(append(b, `,"max_output_tokens":`...), q.MaxTokens)
	}
	if q.Temperature != nil {
		b = appendNumber(append(b, `,"temperature":`...), *q.Temperature)
	}
	if q.TopP != nil {
		b = appendNumber(append(b, `,"top_p":`...), *q.TopP)
	}
	if q.TopLogprobs != 0 {
		b = appendInt(append(b, `,"top_logprobs":`...), int64(q.TopLogprobs))
	}
	for i, name := range q.Include {
		if i == 0 {
			b = append(b, `,"include":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendString(b, name)
	}
	if len(q.Include) > 0 {
		b = append(b, ']')
	}
	b = appendSaid(b, `,"service_tier":`, q.Tier)
	b = appendSaid(b, `,"user":`, q.User)
	b = appendSaid(b, `,"safety_identifier":`, q.Safety)
	if len(q.Metadata) > 0 {
		b = append(append(b, `,"metadata":`...), marshal(q.Metadata)...)
	}
	b = appendSaid(b, `,"prompt_cache_key":`, q.CacheKey)
	b = appendSaid(b, `,"prompt_cache_retention":`, q.CacheFor)
	if q.Store != nil {
		b = strconv.AppendBool(append(b, `,"store":`...), *q.Store)
	}
	b = appendSaid(b, `,"previous_response_id":`, q.Previous)
	b = appendSaid(b, `,"truncation":`, q.Truncation)
	return appendRest(b, q.Rest)
}

func (s *reasoningSettings) append(b []byte) []byte {
	from := len(b)
	b = appendSaid(b, `,"effort":`, s.Effort)
	b = appendSaid(b, `,"summary":`, s.Summary)
	b = appendRest(appendSaid(b, `,"generate_summary":`, s.Older), s.Rest)
	if len(b) == from {
		return append(b, "{}"...)
	}
	b[from] = '{' // in place of the comma
	return append(b, '}')
}
