package graph

import "net/http"

// Path is where the door is.
const Path = "/graphql"

func wantsPage(r *http.Request) bool                            { return false }
func (h *Handler) page(w http.ResponseWriter, r *http.Request)  {}
func (h *Handler) asset(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
