-- Run once, when the server's folder is empty. Passwords come from secrets: never on a command line.
\set owner_password `cat /run/secrets/owner_password`
\set exporter_password `cat /run/secrets/exporter_password`

-- Owns the platform's databases and makes the role of the application; it can neither run programs nor read files.
CREATE ROLE rakuten LOGIN CREATEDB CREATEROLE PASSWORD :'owner_password';
CREATE ROLE exporter LOGIN PASSWORD :'exporter_password' IN ROLE pg_monitor;
