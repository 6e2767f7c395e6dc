package proxy

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
)

// An anthropicModel is a model as Anthropic lists it.
type anthropicModel struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Name    string `json:"display_name"`
	Created string `json:"created_at"`
}

// anthropicModels is one page of models: limit of them (20; at most 1000) behind after_id, or before before_id.
func anthropicModels(s *snapshot.Snapshot, names []string, query url.Values) (any, error) {
	limit, err := pageSize(query, "limit", 20)
	if err != nil {
		return nil, err
	}
	list := struct {
		Data    []anthropicModel `json:"data"`
		HasMore bool             `json:"has_more"`
		First   *string          `json:"first_id"`
		Last    *string          `json:"last_id"`
	}{Data: []anthropicModel{}}
	if before := query.Get("before_id"); before != "" {
		at, _ := slices.BinarySearch(names, before)
		names = names[:at]
		list.HasMore = at > limit
		names = names[max(0, at-limit):]
	} else {
		if after := query.Get("after_id"); after != "" {
			names = behind(names, after)
		}
		list.HasMore = len(names) > limit
		names = names[:min(limit, len(names))]
	}
	for _, name := range names {
		list.Data = append(list.Data, describeAnthropic(s, name))
	}
	if n := len(list.Data); n > 0 {
		list.First, list.Last = &list.Data[0].ID, &list.Data[n-1].ID
	}
	return list, nil
}

func describeAnthropic(s *snapshot.Snapshot, name string) anthropicModel {
	created := time.Unix(0, 0) // what Anthropic says of a time that it does not know
	if m, ok := s.Model(name); ok {
		created = m.CreatedAt
	}
	return anthropicModel{Type: "model", ID: name, Name: name, Created: created.UTC().Format(time.RFC3339)}
}

// maxPage is the most models of one page, at Anthropic and Google alike.
const maxPage = 1000

// pageSize reads how many models a page has. Zero is the usual number.
func pageSize(query url.Values, name string, usual int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, &llm.RequestError{Param: name, Message: "'" + name + "' is not a number of models."}
	}
	if n == 0 {
		n = usual
	}
	return min(n, maxPage), nil
}

// behind are the names behind one, which need not be among them.
func behind(names []string, name string) []string {
	at, found := slices.BinarySearch(names, name)
	if found {
		at++
	}
	return names[at:]
}
