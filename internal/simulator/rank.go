package simulator

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// ranking is the place of a document among others.
type ranking struct {
	index int
	score float64 // from 0 to 1
}

// rank orders documents by how many of the query's words are in them.
func rank(query string, documents []json.RawMessage) []ranking {
	words := strings.Fields(strings.ToLower(query))
	all := make([]ranking, len(documents))
	for i, raw := range documents {
		text := strings.ToLower(documentText(raw))
		hits := 0
		for _, word := range words {
			if strings.Contains(text, word) {
				hits++
			}
		}
		all[i] = ranking{i, float64(hits) / float64(max(len(words), 1))}
	}
	slices.SortStableFunc(all, func(a, b ranking) int { return cmp.Compare(b.score, a.score) })
	return all
}
