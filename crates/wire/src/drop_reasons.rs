//! How crates that lose packets declare why.

/// Declares an enum of drop reasons, one a line: variant, name, meaning.  A cause has one reason, a reason one name,
/// and names never change, since counters and people know them.
///
/// The crate needs `thiserror`: a reason is an error whose text is its meaning.
#[macro_export]
macro_rules! drop_reasons {
    (
        $(#[$about:meta])*
        pub enum $reasons:ident;

        $($variant:ident $name:literal $text:literal;)*
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
        #[repr(u8)]
        pub enum $reasons { $(#[doc = $text] #[error($text)] $variant,)* }

        impl $reasons {
            /// All reasons, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that counters carry; it never changes.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    drop_reasons! {
        /// Two of them.
        pub enum Reason;

        TooShort "too-short" "It ends too early.";
        TooLong "too-long" "It goes on too long.";
    }

    #[test]
    fn reasons_have_a_number_a_name_and_a_meaning() {
        assert_eq!(Reason::ALL, [Reason::TooShort, Reason::TooLong]);
        let told = Reason::ALL.iter().map(|reason| (*reason as u8, reason.name(), reason.to_string()));
        let expected = [(0, "too-short", "It ends too early."), (1, "too-long", "It goes on too long.")];
        assert!(told.eq(expected.map(|(number, name, text)| (number, name, text.to_owned()))));
    }
}
