-- Personnel, a directory, payroll and a helpdesk; and lists of countries.
CREATE SCHEMA hr; CREATE SCHEMA directory; CREATE SCHEMA payroll; CREATE SCHEMA helpdesk;
CREATE TABLE gen.staff AS SELECT n, 'E' || lpad((n * 3)::text, 6, '0') AS emp, gen.first_name('9f' || n) AS first, gen.last_name('9l' || n) AS last, substr(lower(gen.last_name('9l' || n)), 1, 4) || n AS login,
	gen.skewed('9d' || n, '{Sales,Production,IT,Finance,Logistics,Legal,Marketing,Service,Research}') AS dept, gen.pick('9g' || n, '{1,2,3,4,5,6,7,8}')::int AS grade, date '2005-01-01' + gen.r('9h' || n, 6500) AS hired,
	date '1960-01-01' + gen.r('9b' || n, 15000) AS born, 1000000000 + gen.r('9i' || n, 1000000000) AS tax, gen.r('9s' || n, 6000) + 2200 AS salary, gen.p('9a' || n, 93) AS active, 100 + gen.r('9c' || n, 60) AS cost_center
	FROM generate_series(1, 2500) n;
CREATE TABLE hr.employee AS SELECT n::bigint AS id, emp AS personnel_number, first AS given_name, last AS family_name, dept AS department, grade, hired AS hire_date, born AS date_of_birth, cost_center, tax AS tax_id, CASE WHEN active THEN 'active' ELSE 'left' END AS employment_status,
	gen.pick('hg' || n, '{m,f}') AS gender, gen.r('hv' || n, 30) AS vacation_days, now() AS updated_at FROM gen.staff;
ALTER TABLE hr.employee ADD PRIMARY KEY (id);
CREATE TABLE directory.account AS SELECT md5('dir' || n)::uuid AS object_guid, login AS sam_account_name, emp AS employee_id, first || ' ' || last AS display_name, CASE WHEN gen.p('dd' || n, 8) THEN 'IT' ELSE dept END AS department, login || '@corp.example' AS mail, active AS enabled,
	gen.r('dl' || n, 1000) AS logon_count, now() - n * interval '3 minutes' AS when_created FROM gen.staff WHERE gen.p('di' || n, 95);
ALTER TABLE directory.account ADD PRIMARY KEY (object_guid);
CREATE TABLE payroll.person AS SELECT (row_number() OVER (ORDER BY md5('pay' || n)))::int AS person_id, n AS hr_employee_id, first AS first_name, last AS last_name, born::text AS birth_date, tax::text AS tax_number, grade::text AS pay_grade, salary AS monthly_salary, cost_center::text AS cost_centre,
	CASE WHEN gen.p('ph' || n, 5) THEN hired + 14 ELSE hired END AS entry_date, gen.pick('pc' || n, '{1,2,3,4,5}')::int AS tax_class, gen.p('pk' || n, 50) AS church_tax FROM gen.staff WHERE gen.p('pi' || n, 90);
ALTER TABLE payroll.person ADD PRIMARY KEY (person_id);
CREATE TABLE helpdesk.requester AS SELECT n * 2 AS id, login || '@corp.example' AS email, first || ' ' || last AS full_name, gen.r('rt' || n, 40) AS tickets, gen.p('rv' || n, 5) AS vip FROM gen.staff WHERE gen.p('hi' || n, 50);
ALTER TABLE helpdesk.requester ADD PRIMARY KEY (id);
CREATE TABLE helpdesk.ticket AS SELECT n AS id, 2 * (1 + gen.r('tr' || n, 2500)) AS requester_id, gen.words('tw' || n) AS subject, gen.pick('tp' || n, '{1,2,3,4}')::int AS priority, gen.pick('ts' || n, '{open,solved,pending}') AS status, date '2020-01-01' + n / 3 AS opened FROM generate_series(1, 5000) n;
ALTER TABLE helpdesk.ticket ADD PRIMARY KEY (id);
CREATE TABLE hr.country AS SELECT * FROM (VALUES (1, 'DE', 'Germany'), (2, 'AT', 'Austria'), (3, 'CH', 'Switzerland'), (4, 'NL', 'Netherlands'), (5, 'FR', 'France'), (6, 'IT', 'Italy'), (7, 'ES', 'Spain'), (8, 'PL', 'Poland'), (9, 'CZ', 'Czechia'), (10, 'DK', 'Denmark'), (11, 'SE', 'Sweden'), (12, 'NO', 'Norway'), (13, 'FI', 'Finland'), (14, 'BE', 'Belgium')) v(id, iso, name);
CREATE TABLE payroll.land AS SELECT iso AS code, name AS label, 100 + id AS sort FROM hr.country WHERE id <> 6;
CREATE TABLE hr.course AS SELECT n AS id, gen.words('co' || n) AS title, gen.r('cd' || n, 5) AS days FROM generate_series(1, 200) n;
CREATE TABLE payroll.run AS SELECT n AS run_id, date '2010-01-01' + n * 30 AS period, gen.r('pr' || n, 100000) AS total FROM generate_series(1, 170) n;
