package views_test

import "testing"

func TestUserBudgets(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	page := "/users/" + s.member.ID.String()
	b.get(page).is(200).shows("Budgets").hides("Spent today")
	b.post(page+"/budgets", "day", "x", "month", "5").is(422).shows(`id="f-day-error"`, `value="5"`)
	b.post(page+"/budgets", "day", "0", "month", "5").is(422).shows(`id="f-day-error"`, "above 0")
	b.post(page+"/budgets", "day", "1.5", "month", "20").redirects(page)
	b.get(page).is(200).shows("Spent today (UTC)", "0.00 of 1.50 credits", "Spent this month (UTC)", "0.00 of 20.00 credits", `value="1.5"`)
	b.post(page+"/budgets", "day", "", "month", "20").redirects(page)
	b.get(page).is(200).hides("Spent today").shows("0.00 of 20.00 credits")
	s.signIn(t, memberEmail).post(page+"/budgets", "day", "", "month", "").is(403)
	b.get(page).is(200).shows("0.00 of 20.00 credits")
}

func TestKeyBudget(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, memberEmail)
	b.post("/keys/new", "name", "app", "budget", "-1", "budgetWindow", "day").is(422).shows("above 0", `value="-1"`)
	b.post("/keys/new", "name", "app", "budget", "much", "budgetWindow", "day").is(422).shows(`id="f-budget-error"`)
	b.post("/keys/new", "name", "app", "budget", "2.5", "budgetWindow", "day").is(200)
	page := "/keys/" + b.get("/keys").find(`href="/keys/(key_[^"]+)"`)
	b.get(page).is(200).shows("Spent today (UTC)", "0.00 of 2.50 credits", `value="2.5"`)
	b.post(page, "name", "app", "budget", "", "budgetWindow", "day").redirects(page)
	b.get(page).is(200).hides("Spent today")
}
