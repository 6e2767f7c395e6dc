package views

import (
	"net/http"

	"aihigress/internal/authz"
	"aihigress/internal/fault"
)

// jobs shows River's own pages to those who may see the jobs. They bring their own scripts and styles, so the console's
// policy is lifted for them to what they need: everything of this origin, inline included.
func (c *console) jobs(w http.ResponseWriter, r *http.Request) error {
	if _, err := authz.Require(r.Context(), authz.JobRead); err != nil {
		return err
	}
	if c.Jobs == nil {
		return fault.New(fault.NotFound, "There is nothing at this address.")
	}
	w.Header().Set("Content-Security-Policy", "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "+
		"img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'; base-uri 'none'")
	c.Jobs.ServeHTTP(w, r)
	return nil
}
