//! Stand-ins for the `Config`s of rooms that do not have theirs yet; each goes when its room brings its own.
//!
//! Invariant: nothing outside `config` names anything in here.

macro_rules! stand_in {
    ($($room:ident),*) => {$(
        pub mod $room {
            use schemars::JsonSchema;
            use serde::Deserialize;
            use serde::Serialize;

            #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
            #[serde(deny_unknown_fields, default)]
            pub struct Config {}
        }
    )*};
}

stand_in!(decode, identity, rules);

pub mod source {
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde::Serialize;
    use url::Url;

    use crate::model::Duration;

    #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    pub struct Config {
        /// SQS queues that S3 notifies of each new object.
        pub sqs: Vec<Sqs>,
        /// Folders to read deliveries from.
        pub folder: Vec<Folder>,
    }

    /// A queue.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Sqs {
        /// The name in counters and logs.
        pub name: String,
        /// The queue that S3 notifies of each new object.
        pub queue_url: Url,
        /// The region; without it, the one of the queue's address.
        #[serde(default)]
        pub region: Option<String>,
        /// How long a delivery stays hidden from other readers; we renew it at half of this.
        #[serde(default = "five_minutes")]
        pub visibility: Duration,
        /// Messages in work at once.
        #[serde(default = "sixteen")]
        #[schemars(range(min = 1, max = 1_000))]
        pub max_in_flight: u32,
    }

    fn five_minutes() -> Duration {
        Duration::from_secs(300)
    }

    fn sixteen() -> u32 {
        16
    }

    /// A folder.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Folder {
        /// The name in counters and logs.
        pub name: String,
        /// The folder.
        pub path: std::path::PathBuf,
    }
}

pub mod sink {
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde::Serialize;

    #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    pub struct Config {
        /// Writes each alert to standard output.
        pub stdout: Vec<Stdout>,
    }

    /// Standard output.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Stdout {
        /// The sink's name.
        pub name: String,
    }
}
