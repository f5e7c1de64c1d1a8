-- A feed.  The variables: feed, publications, and source, the connection string.
-- The first copy brings the rows that the source has; which system the feed
-- belongs to is on the map before it.

CREATE SUBSCRIPTION :"feed" CONNECTION :'source' PUBLICATION :publications WITH (copy_data = true);
